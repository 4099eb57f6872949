//! One line: an event of the server, or a record of the plugin.

use records::instruction::{self, Record};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// An event that was read.
pub(crate) type Event = records::event::Event<'static>;
/// A line of the server's event file.
pub(crate) type Line = records::event::Line<'static>;

#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// A line of the server's event file.
    Event(Box<Line>),
    /// An instruction in a record of the plugin.
    Insn(Box<Record>),
    /// An error message of the plugin.
    Problem(String),
}

/// Reads one line. `None` if it has nothing to show.
pub(super) fn parse(line: &[u8]) -> Result<Option<Item>, String> {
    const NEITHER: &str = "neither an event nor a record";
    #[derive(Deserialize)]
    struct Front {
        event: Option<IgnoredAny>,
        kind: Option<IgnoredAny>,
        /// Why a server ends its events.
        error: Option<String>,
    }
    let line = line.trim_ascii();
    if line.is_empty() {
        return Ok(None);
    }
    let failed = |error: serde_json::Error| error.to_string();
    // Nearly all lines come from the server and begin with the same key. They are parsed only once.
    let front = if line.starts_with(b"{\"schema_version\":1,\"seq\":") {
        None
    } else {
        Some(serde_json::from_slice(line).map_err(failed)?)
    };
    match front {
        None | Some(Front { event: Some(_), .. }) => {
            let event = Line::read(line).map_err(failed)?;
            Ok(Some(Item::Event(Box::new(event))))
        }
        Some(Front {
            kind: None, error, ..
        }) => Err(error.unwrap_or_else(|| NEITHER.to_owned())),
        Some(_) => match instruction::Line::read(line).map_err(failed)? {
            instruction::Line::Insn(record) => Ok(Some(Item::Insn(record))),
            instruction::Line::Problem { message } => Ok(Some(Item::Problem(message.into_owned()))),
            instruction::Line::Start { .. } | instruction::Line::End { .. } => Ok(None),
            instruction::Line::Unknown => Err(NEITHER.to_owned()),
        },
    }
}
