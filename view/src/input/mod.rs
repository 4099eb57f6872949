//! The lines of recorded sessions: event files of the server, records of the plugin.

mod event;
mod insn;
mod merge;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

pub(crate) use event::{Event, Line};
pub(crate) use insn::Insn;
pub(crate) use merge::Merged;

use crate::Error;

/// The version of both formats that this crate reads.
const SCHEMA_VERSION: u32 = 1;

/// One line.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// A line of the server's event file.
    Event(Box<Line>),
    /// An instruction that the plugin recorded.
    Insn(Box<Insn>),
    /// A remark of the plugin: something went wrong.
    Problem(String),
}

/// One file, line by line.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    reader: BufReader<File>,
    buffer: Vec<u8>,
    line: u64,
    /// Bytes read so far.
    bytes: u64,
}

impl Source {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            reader: BufReader::with_capacity(1 << 20, file),
            buffer: Vec::new(),
            line: 0,
            bytes: 0,
        })
    }

    /// Bytes read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next line; `None` at the end. A last line without its end is left out: whoever writes
    /// the file is not done with it.
    ///
    /// # Errors
    /// [`Error::Read`] and [`Error::Line`].
    #[allow(clippy::should_implement_trait, reason = "it can fail")]
    pub(crate) fn next(&mut self) -> Result<Option<Item>, Error> {
        loop {
            if !self.buffer.ends_with(b"\n") {
                let read = self.reader.read_until(b'\n', &mut self.buffer);
                let read = read.map_err(|source| Error::Read {
                    path: self.path.clone(),
                    source,
                })?;
                self.bytes += read as u64;
            }
            if !self.buffer.ends_with(b"\n") {
                return Ok(None);
            }
            self.line += 1;
            let item = parse(&self.buffer).map_err(|reason| Error::Line {
                path: self.path.clone(),
                line: self.line,
                reason,
            });
            self.buffer.clear();
            if let Some(item) = item? {
                return Ok(Some(item));
            }
        }
    }
}

/// Reads one line; `None` if there is nothing to show in it.
fn parse(line: &[u8]) -> Result<Option<Item>, String> {
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
    // Nearly all lines are of the server and begin the same: these are read once.
    if line.starts_with(b"{\"schema_version\":1,\"seq\":") {
        return event::parse(line).map(|event| Some(Item::Event(Box::new(event))));
    }
    let front: Front = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    match front.schema_version {
        Some(SCHEMA_VERSION) => {}
        Some(other) => return Err(format!("schema_version {other}, expected {SCHEMA_VERSION}")),
        None => return Err("no schema_version: neither an event nor a record".to_owned()),
    }
    match (front.event, front.kind.as_deref()) {
        (Some(_), _) => event::parse(line).map(|event| Some(Item::Event(Box::new(event)))),
        (None, Some("insn")) => insn::parse(line).map(|insn| Some(Item::Insn(Box::new(insn)))),
        (None, Some("problem")) => Ok(Some(Item::Problem(front.message.unwrap_or_default()))),
        (None, Some("start" | "end")) => Ok(None),
        (None, kind) => Err(format!("kind {kind:?}: neither an event nor a record")),
    }
}

#[cfg(test)]
mod tests;
