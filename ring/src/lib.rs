//! Two byte streams in shared memory, one for each direction, between the client of an instruction channel
//! and its server.
//!
//! - [`layout`]: the layout of the memory;
//! - [`end`]: one side's end of both streams. It uses the trait [`Memory`] and makes no system call;
//! - [`mapping`]: a memfd as such memory. It has the only `unsafe` of the crate.
//!
//! A stream carries the same messages as the socket beside it. A sender writes a record and then advances its
//! tail; a receiver copies a record and then advances its head. Each side keeps its own two positions
//! privately and gives the other side copies. It reads a shared word once, checks the value and uses only
//! that value, because the other side may write anything anywhere at any time.
//!
//! A side that has nothing to do says so in the memory before it waits, and only then the other side wakes
//! it. The user of the crate chooses how to wake a side (for example by an eventfd).
//!
//! `docs/protocol.md` describes the layout and the rules.

pub mod end;
pub mod layout;
pub mod mapping;

pub use end::{End, Fault, Memory, Side, Wait};
pub use mapping::{Mapping, NoRing};
