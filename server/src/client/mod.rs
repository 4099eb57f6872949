//! One client of a function, from its socket to its replies.

pub mod channel;
pub mod client_memory;
pub mod connection;
pub mod dispatch;
pub mod error;
pub mod message_fds;
pub mod pace;
pub mod peer;
pub mod receive_buffer;
pub mod ring_link;
pub mod socket;
pub mod spin;
