//! Reads recorded sessions line by line: event files of the server, records of the plugin.

mod event;
mod insn;
mod item;
mod merge;
mod source;

pub(crate) use event::{Access, Command as CommandEvent, Event, Line};
pub(crate) use insn::Insn;
pub(crate) use item::Item;
pub(crate) use merge::Merged;
pub(crate) use source::Source;

#[cfg(test)]
mod tests;
