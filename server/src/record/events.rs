//! Events: one JSON object for each line, in the order in which they happened.
//!
//! Every line has `schema_version`, `seq` (from 1, without gaps), `time_us` (since the start of the server),
//! `function` and `event`. Lines that belong to one access, reset or departure share a `cause`. The other
//! keys depend on the event; `docs/events.md` describes them. Bytes are lower-case hexadecimal, in the order
//! in which they travelled.

use std::borrow::Cow;

use ism::fault::Action;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use zpci_region::Severity;

use super::line::Line;
use crate::limits::SHOWN_BYTES;

/// The version of the event format.
pub const SCHEMA_VERSION: u32 = 1;

/// Result of an access that was carried out.
pub const ACCEPTED: &str = "accepted";

/// Bytes that are written as hexadecimal text, at most the first 4096 of them.
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

impl JsonSchema for Hex<'_> {
    fn schema_name() -> Cow<'static, str> {
        "Hex".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^([0-9a-f]{2})*$",
            "maxLength": 2 * SHOWN_BYTES,
        })
    }
}

/// Returns the JSON schema of a line of the event file.
pub fn schema() -> serde_json::Value {
    let settings = schemars::generate::SchemaSettings::default().for_serialize();
    let generator = settings.into_generator();
    generator.into_root_schema_for::<Whole<'_>>().to_value()
}

/// One event. Offsets and lengths are in bytes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[allow(
    missing_docs,
    reason = "docs/events.md describes the fields, and a test compares"
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
    Error,
    Store {
        path: &'static str,
        pcias: u8,
        offset: u64,
        length: usize,
        bytes: Hex<'a>,
        posted: bool,
        result: &'static str,
        rules: &'a [&'static str],
    },
    Load {
        path: &'static str,
        pcias: u8,
        offset: u64,
        length: usize,
        bytes: Hex<'a>,
        result: &'static str,
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
        severity: Severity,
        path: &'static str,
        pcias: u8,
        offset: u64,
        length: usize,
        pieces: usize,
        piece_length: usize,
        detail: &'a str,
        /// Id of the fault that may have caused it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(with = "String")]
        caused_by: Option<&'a str>,
    },
    Fault {
        fault: &'a str,
        kind: &'static str,
        number: u64,
        action: &'a Action,
        peer: Option<&'a str>,
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
    NotWritten {
        iova: u64,
        length: usize,
        errno: Option<u32>,
        reason: &'a str,
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

/// A line of the event file (`--events`) of vfio-user-ism.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "Event", deny_unknown_fields)]
struct Whole<'a> {
    /// The version of this format.
    #[schemars(extend("const" = SCHEMA_VERSION))]
    schema_version: u32,
    /// The number of the line: 1, 2, 3, ... without gaps.
    #[schemars(range(min = 1))]
    seq: u64,
    /// Microseconds since the server started.
    time_us: u64,
    /// The name of the function.
    function: &'a str,
    /// The number that this line shares with the access, reset or departure that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64", range(min = 1))]
    cause: Option<u64>,
    #[serde(flatten)]
    event: &'a Event<'a>,
}

/// The keys at the start of every line.
pub(super) struct Front<'a> {
    pub seq: u64,
    pub time_us: u64,
    pub function: &'a str,
    pub cause: Option<u64>,
}

impl Front<'_> {
    /// Appends a line. Accesses and moves are frequent, so they are written without a serializer.
    pub(super) fn write(&self, event: &Event<'_>, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let front = |out, event| {
            Line::new(out)
                .number("schema_version", SCHEMA_VERSION.into())
                .number("seq", self.seq)
                .number("time_us", self.time_us)
                .text("function", self.function)
                .optional("cause", self.cause)
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

    /// Appends a line whose event is JSON text, an object.
    pub(super) fn write_text(&self, event: &[u8], out: &mut Vec<u8>) {
        Line::new(out)
            .number("schema_version", SCHEMA_VERSION.into())
            .number("seq", self.seq)
            .number("time_us", self.time_us)
            .text("function", self.function)
            .optional("cause", self.cause)
            .members(event)
            .end();
    }

    fn serialize(&self, event: &Event<'_>, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let line = Whole {
            schema_version: SCHEMA_VERSION,
            seq: self.seq,
            time_us: self.time_us,
            function: self.function,
            cause: self.cause,
            event,
        };
        serde_json::to_writer(out, &line)
    }
}

#[cfg(test)]
mod tests;
