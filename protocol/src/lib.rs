//! The bytes and session rules of the vfio-user protocol, for both ends of a connection.
//!
//! The crate is pure: it has no socket, clock, runtime or unsafe code, and no input makes it panic. Numbers
//! are in host byte order, as the protocol defines (both ends run on one machine). The format follows QEMU's
//! `docs/interop/vfio-user.rst`; if QEMU's client differs from the text, the item says so.
//!
//! - [`header`]: the 16 bytes at the start of every message, and the command numbers;
//! - [`frame`]: splits the bytes of a stream into messages, without copies;
//! - [`message`]: converts bodies to typed requests and replies and back, with one file for each family of
//!   commands;
//! - [`session`]: decides which messages are allowed, and which reply belongs to which request of this side;
//! - [`mod@limits`]: every limit, in one place;
//! - [`error`]: malformed messages (the connection ends) and refused ones (the reply has an errno).
//!
//! Non-goal: the crate does not know the content of any region or device.
#![forbid(unsafe_code)]
#![warn(clippy::missing_errors_doc)]
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

pub mod error;
pub mod frame;
pub mod header;
pub mod limits;
pub mod message;
pub mod session;
mod wire;

pub use error::{Errno, Malformed, Refused};
pub use frame::{Frame, Next, next_frame};
pub use header::{Command, HEADER_LEN, Header, Kind};
pub use limits::Limits;
pub use message::Request;
pub use session::Session;
