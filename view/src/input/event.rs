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
        channel: bool,
    },
    Reset,
    Store(Access),
    Load(Access),
    ConfigWrite(Access),
    ConfigRead(Access),
    Violation(Violation),
    Fault(Fault),
    Error,
    Command(Command),
    DataMove(DataMove),
    Queued(Queued),
    Interrupt {
        vector: u16,
    },
    NotWritten(NotWritten),
    RefusedRequest(RefusedRequest),
    Truncated {
        limit: u64,
    },
    /// An event of a newer server.
    #[serde(other)]
    Unknown,
}

/// A store to a function or a load from it. Lines about config space name no path and no space.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[allow(missing_docs, reason = "docs/events.md tells the fields")]
pub(crate) struct Access {
    #[serde(default = "config")]
    pub path: String,
    #[serde(default = "config_space")]
    pub pcias: u8,
    pub offset: u64,
    pub length: u64,
    pub bytes: Hex,
    #[serde(default)]
    pub posted: bool,
    pub result: String,
}

fn config() -> String {
    "config".to_owned()
}

const fn config_space() -> u8 {
    15
}

/// A broken rule.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[allow(missing_docs, reason = "docs/events.md tells the fields")]
pub(crate) struct Violation {
    pub rule: String,
    pub severity: String,
    pub path: String,
    pub pcias: u8,
    pub offset: u64,
    pub length: u64,
    pub pieces: u64,
    pub piece_length: u64,
    pub detail: String,
    pub caused_by: Option<String>,
}

/// A fault that the server injected.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[allow(missing_docs, reason = "docs/events.md tells the fields")]
pub(crate) struct Fault {
    pub fault: String,
    pub kind: String,
    pub number: u64,
    pub action: serde_json::Value,
    pub peer: Option<String>,
}

/// An ISM command.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[allow(missing_docs, reason = "docs/events.md tells the fields")]
pub(crate) struct Command {
    pub code: u32,
    pub name: String,
    pub request: Hex,
    pub response_code: u16,
    pub response: Hex,
}

/// A move into a DMB.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[allow(missing_docs, reason = "docs/events.md tells the fields")]
pub(crate) struct DataMove {
    pub token: u64,
    pub owner: String,
    pub dmb_offset: u64,
    pub length: u64,
    pub element: u8,
    pub signal: bool,
    pub signalled: bool,
}

/// An entry of an event queue.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[allow(missing_docs, reason = "docs/events.md tells the fields")]
pub(crate) struct Queued {
    pub to: String,
    pub event_type: u32,
    pub code: u32,
    pub token: u64,
    pub info: u64,
    pub delivered: bool,
}

/// Bytes that did not reach memory without a descriptor.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[allow(missing_docs, reason = "docs/events.md tells the fields")]
pub(crate) struct NotWritten {
    pub iova: u64,
    pub length: u64,
    pub errno: Option<u32>,
    pub reason: String,
}

/// A request of the protocol that the server refused.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[allow(missing_docs, reason = "docs/events.md tells the fields")]
pub(crate) struct RefusedRequest {
    pub command: String,
    pub errno: u32,
    pub reason: String,
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
