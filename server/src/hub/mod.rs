//! The functions of one fabric, and the memory and descriptors of their clients, behind one lock.
//!
//! A move touches two functions, so there is one lock for all. Nothing waits while the lock is held: memory
//! is mapped, eventfds do not block, and messages to a client are only queued.

mod access;
pub(crate) mod client;
mod event_writing;
mod events;
mod faults;
mod function;
mod lending;
mod put_off;
mod refused;
pub mod regions;
mod report;
mod state;
mod turns;
mod zpci_call;

pub use access::Accesses;
pub use client::{Client, ClientKind};
pub use event_writing::Followed;
pub use faults::{FunctionState, MessageFault};
pub use function::{ClientWork, Function};
pub use state::{Condition, Hub};
