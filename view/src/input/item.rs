//! One line: an event of the server, or a record of the plugin.

use records::event::SCHEMA_VERSION;

use super::insn::{self, Insn};

/// An event that was read.
pub(crate) type Event = records::event::Event<'static>;
/// A line of the server's event file.
pub(crate) type Line = records::event::Line<'static>;

#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// A line of the server's event file.
    Event(Box<Line>),
    /// An instruction in a record of the plugin.
    Insn(Box<Insn>),
    /// An error message of the plugin.
    Problem(String),
}

fn event(line: &[u8]) -> Result<Option<Item>, String> {
    let event = Line::read(line).map_err(|error| error.to_string())?;
    Ok(Some(Item::Event(Box::new(event))))
}

/// Reads one line. `None` if it has nothing to show.
pub(super) fn parse(line: &[u8]) -> Result<Option<Item>, String> {
    let line = line.trim_ascii();
    if line.is_empty() {
        return Ok(None);
    }
    #[derive(serde::Deserialize)]
    struct Front {
        schema_version: Option<u32>,
        event: Option<serde::de::IgnoredAny>,
        kind: Option<String>,
        message: Option<String>,
    }
    // Nearly all lines come from the server and begin with the same key. They are parsed only once.
    if line.starts_with(b"{\"schema_version\":1,\"seq\":") {
        return event(line);
    }
    let front: Front = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    match front.schema_version {
        Some(SCHEMA_VERSION) => {}
        Some(other) => return Err(format!("schema_version {other}, expected {SCHEMA_VERSION}")),
        None => return Err("no schema_version: neither an event nor a record".to_owned()),
    }
    match (front.event, front.kind.as_deref()) {
        (Some(_), _) => event(line),
        (None, Some("insn")) => insn::parse(line).map(|insn| Some(Item::Insn(Box::new(insn)))),
        (None, Some("problem")) => Ok(Some(Item::Problem(front.message.unwrap_or_default()))),
        (None, Some("start" | "end")) => Ok(None),
        (None, kind) => Err(format!("kind {kind:?}: neither an event nor a record")),
    }
}
