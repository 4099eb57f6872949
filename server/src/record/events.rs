//! Events: one JSON object a line, in the order in which things happened.
//!
//! Every line has `schema_version`, `seq` (from 1, without gaps), `time_us` (since the start of
//! the server), `function` and `event`; the rest depends on the event and is told in
//! `docs/events.md`. Bytes are lower-case hexadecimal in the order in which they travelled.

use serde::{Serialize, Serializer};

use super::line::Line;
use crate::limits::SHOWN_BYTES;

/// The version of the event format.
pub const SCHEMA_VERSION: u32 = 1;

/// Bytes as hexadecimal text, of more than 4096 the first 4096.
#[derive(Clone, Copy, Debug)]
pub struct Hex<'a>(pub &'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = self.0.iter().take(SHOWN_BYTES);
        shown.try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What happened. Offsets and lengths are bytes.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[allow(
    missing_docs,
    reason = "the fields are told in docs/events.md, which a test compares"
)]
pub enum Event<'a> {
    Connected {
        pid: Option<i32>,
        channel: bool,
    },
    Disconnected {
        maps: usize,
        channel: bool,
    },
    ClientRefused {
        pid: Option<i32>,
        channel: bool,
    },
    Reset,
    Store {
        path: &'static str,
        pcias: u8,
        offset: u64,
        length: usize,
        bytes: Hex<'a>,
        posted: bool,
        result: &'a str,
        rules: &'a [&'static str],
    },
    Load {
        path: &'static str,
        pcias: u8,
        offset: u64,
        length: usize,
        bytes: Hex<'a>,
        result: &'a str,
        rules: &'a [&'static str],
    },
    ConfigWrite {
        offset: u64,
        length: usize,
        bytes: Hex<'a>,
        result: &'a str,
    },
    ConfigRead {
        offset: u64,
        length: usize,
        bytes: Hex<'a>,
        result: &'a str,
    },
    Violation {
        rule: &'static str,
        severity: &'static str,
        path: &'static str,
        pcias: u8,
        offset: u64,
        length: usize,
        pieces: usize,
        piece_length: usize,
        detail: &'a str,
    },
    Command {
        code: u32,
        name: &'a str,
        request: Hex<'a>,
        response_code: u16,
        response: Hex<'a>,
    },
    DataMove {
        token: u64,
        owner: &'a str,
        dmb_offset: u64,
        length: usize,
        element: u8,
        signal: bool,
        signalled: bool,
    },
    Queued {
        to: &'a str,
        event_type: u32,
        code: u32,
        token: u64,
        info: u64,
        delivered: bool,
    },
    Interrupt {
        vector: u16,
    },
    RefusedRequest {
        command: &'static str,
        errno: u32,
        reason: &'a str,
    },
    Truncated {
        limit: u64,
    },
}

#[derive(Serialize)]
struct Whole<'a> {
    schema_version: u32,
    seq: u64,
    time_us: u64,
    function: &'a str,
    #[serde(flatten)]
    event: &'a Event<'a>,
}

/// What every line begins with.
pub(super) struct Front<'a> {
    pub seq: u64,
    pub time_us: u64,
    pub function: &'a str,
}

impl Front<'_> {
    /// Appends a line. Accesses and moves come often and are written directly.
    pub fn write(&self, event: &Event<'_>, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let front = |out, event| {
            Line::new(out)
                .number("schema_version", SCHEMA_VERSION.into())
                .number("seq", self.seq)
                .number("time_us", self.time_us)
                .text("function", self.function)
                .text("event", event)
        };
        match *event {
            Event::Store {
                path,
                pcias,
                offset,
                length,
                bytes,
                posted,
                result,
                rules,
            } => front(out, "store")
                .text("path", path)
                .number("pcias", pcias.into())
                .number("offset", offset)
                .number("length", length as u64)
                .hex("bytes", bytes.0)
                .flag("posted", posted)
                .text("result", result)
                .texts("rules", rules)
                .end(),
            Event::Load {
                path,
                pcias,
                offset,
                length,
                bytes,
                result,
                rules,
            } => front(out, "load")
                .text("path", path)
                .number("pcias", pcias.into())
                .number("offset", offset)
                .number("length", length as u64)
                .hex("bytes", bytes.0)
                .text("result", result)
                .texts("rules", rules)
                .end(),
            Event::DataMove {
                token,
                owner,
                dmb_offset,
                length,
                element,
                signal,
                signalled,
            } => front(out, "data-move")
                .number("token", token)
                .text("owner", owner)
                .number("dmb_offset", dmb_offset)
                .number("length", length as u64)
                .number("element", element.into())
                .flag("signal", signal)
                .flag("signalled", signalled)
                .end(),
            Event::Interrupt { vector } => front(out, "interrupt")
                .number("vector", vector.into())
                .end(),
            _ => {
                self.serialize(event, out)?;
                out.push(b'\n');
            }
        }
        Ok(())
    }

    fn serialize(&self, event: &Event<'_>, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let line = Whole {
            schema_version: SCHEMA_VERSION,
            seq: self.seq,
            time_us: self.time_us,
            function: self.function,
            event,
        };
        serde_json::to_writer(out, &line)
    }
}

#[cfg(test)]
mod tests;
