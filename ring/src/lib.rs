//! Two byte streams in shared memory, one each way, between the client of an instruction channel and
//! its server.
//!
//! - [`layout`]: where everything is in the memory;
//! - [`end`]: one side's end of both streams. It is written against the trait [`Memory`] and has no
//!   system call;
//! - [`mapping`]: a memfd as such memory. The crate's only `unsafe` is there.
//!
//! A stream carries the same messages as the socket beside it. A sender writes a record and then moves
//! its tail; a receiver copies a record out and then moves its head. Each side keeps its own two
//! positions to itself and shows the other one copies of them. It reads a shared word once, checks what
//! it has read and uses that alone: the other side may write anything anywhere at any time.
//!
//! A side that has nothing to do says so in the memory before it waits, and the other side wakes it then
//! only. How a side is woken is left to its user (an eventfd).
//!
//! The layout and the rules are in `docs/protocol.md`.

pub mod end;
pub mod layout;
pub mod mapping;

pub use end::{End, Fault, Memory, Side, Wait};
pub use mapping::{Mapping, NoRing};
