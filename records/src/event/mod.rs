//! Events of the server: one JSON object for each line, in the order in which they happened.
//!
//! Every line has `schema_version`, `seq` (from 1, without gaps), `time_us` (since the start of the server),
//! `function` and `event`. Lines that belong to one access, reset or departure share a `cause`. The other
//! keys depend on the event; `docs/events.md` describes them. Bytes are lower-case hexadecimal, in the order
//! in which they travelled.

mod access;
mod hex;
mod kinds;
mod line;
mod object;
mod write;

pub use access::{Access, AccessKind};
pub use hex::{Hex, SHOWN_BYTES};
pub use kinds::{ACCEPTED, Event};
#[cfg(feature = "schema")]
pub use line::schema;
pub use line::{Kind, Line, SCHEMA_VERSION};
pub use write::Front;

#[cfg(test)]
mod tests;
