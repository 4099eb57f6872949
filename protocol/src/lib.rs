//! Bytes and session rules of the vfio-user protocol, for both ends of a connection.
//!
//! The crate is pure: no socket, no clock, no runtime, no unsafe, and no input on which it panics.
//! Numbers are in host byte order, as the protocol says (both ends run on one machine). The format
//! is that of QEMU's `docs/interop/vfio-user.rst`; where QEMU's client differs from the text, the
//! item says so.
//!
//! - [`header`]: the 16 bytes in front of every message, and the command numbers;
//! - [`frame`]: bytes of a stream to whole messages, borrowed;
//! - [`message`]: one file per family of commands, bodies to typed requests and replies and back;
//! - [`session`]: what is allowed when, and which reply belongs to which request of ours;
//! - [`limits`]: every bound, in one place;
//! - [`error`]: a malformed message (the connection ends) and a refused one (an errno goes back).
//!
//! Non-goal: it does not know what any region or device contains.
#![forbid(unsafe_code)]
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
