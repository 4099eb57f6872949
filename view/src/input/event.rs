//! One line of the server's event file (`docs/events.md`).

use serde::Deserialize;

/// The version of both formats that this crate reads.
pub(super) const SCHEMA_VERSION: u32 = 1;

/// A line: the fields that all lines have, and the event.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[allow(missing_docs, reason = "docs/events.md tells the fields")]
pub(crate) struct Line {
    pub schema_version: u32,
    pub seq: u64,
    pub time_us: u64,
    pub function: String,
    pub cause: Option<u64>,
    #[serde(flatten)]
    pub event: Event,
}

/// The event of a line. Offsets and lengths are in bytes.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[allow(missing_docs, reason = "docs/events.md tells the fields")]
pub(crate) enum Event {
    Connected {
        pid: Option<i32>,
        channel: bool,
    },
    Disconnected {
        maps: u64,
        channel: bool,
    },
    ClientRefused {
        pid: Option<i32>,
        channel: bool,
    },
    Reset,
    Store {
        path: String,
        pcias: u8,
        offset: u64,
        length: u64,
        bytes: Hex,
        posted: bool,
        result: String,
        rules: Vec<String>,
    },
    Load {
        path: String,
        pcias: u8,
        offset: u64,
        length: u64,
        bytes: Hex,
        result: String,
        rules: Vec<String>,
    },
    ConfigWrite {
        offset: u64,
        length: u64,
        bytes: Hex,
        result: String,
    },
    ConfigRead {
        offset: u64,
        length: u64,
        bytes: Hex,
        result: String,
    },
    Violation {
        rule: String,
        severity: String,
        path: String,
        pcias: u8,
        offset: u64,
        length: u64,
        pieces: u64,
        piece_length: u64,
        detail: String,
        caused_by: Option<String>,
    },
    Fault {
        fault: String,
        kind: String,
        number: u64,
        action: serde_json::Value,
        peer: Option<String>,
    },
    Error,
    Command {
        code: u32,
        name: String,
        request: Hex,
        response_code: u16,
        response: Hex,
    },
    DataMove {
        token: u64,
        owner: String,
        dmb_offset: u64,
        length: u64,
        element: u8,
        signal: bool,
        signalled: bool,
    },
    Queued {
        to: String,
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
        command: String,
        errno: u32,
        reason: String,
    },
    Truncated {
        limit: u64,
    },
    /// An event of a newer server.
    #[serde(other)]
    Unknown,
}

/// Bytes that the file has as hexadecimal text.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(try_from = "std::borrow::Cow<str>")]
pub(crate) struct Hex(pub Vec<u8>);

impl TryFrom<std::borrow::Cow<'_, str>> for Hex {
    type Error = String;

    fn try_from(text: std::borrow::Cow<'_, str>) -> Result<Self, String> {
        let bytes = const_hex::decode(text.as_ref());
        bytes
            .map(Self)
            .map_err(|error| format!("hexadecimal bytes: {error}"))
    }
}

pub(super) fn parse(line: &[u8]) -> Result<Line, String> {
    let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    if line.schema_version != SCHEMA_VERSION {
        return Err(format!(
            "schema_version {}, expected {}",
            line.schema_version, SCHEMA_VERSION
        ));
    }
    Ok(line)
}
