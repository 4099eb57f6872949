//! Reads recorded sessions line by line: event files of the server, records of the plugin.

mod item;
mod merge;
mod source;

pub(crate) use item::{Event, Item, Line};
pub(crate) use merge::Merged;
pub(crate) use source::Source;

pub(crate) use records::event::{Access, AccessKind};

#[cfg(test)]
mod tests;
