//! The kinds of events, and what each of them tells.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::hex::Hex;

/// Result of an access that was carried out.
pub const ACCEPTED: &str = "accepted";

/// One event. Offsets and lengths are in bytes. `A` is the action of a fault: a reader takes any JSON, because
/// newer servers know more actions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "kebab-case")]
#[allow(
    missing_docs,
    reason = "docs/events.md describes the fields, and a test compares"
)]
pub enum Event<'a, A = Value> {
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
        path: Cow<'a, str>,
        pcias: u8,
        offset: u64,
        length: usize,
        bytes: Hex<'a>,
        posted: bool,
        result: Cow<'a, str>,
        rules: Cow<'a, [Cow<'a, str>]>,
    },
    Load {
        path: Cow<'a, str>,
        pcias: u8,
        offset: u64,
        length: usize,
        bytes: Hex<'a>,
        result: Cow<'a, str>,
        rules: Cow<'a, [Cow<'a, str>]>,
    },
    ConfigWrite {
        offset: u64,
        length: usize,
        bytes: Hex<'a>,
        result: Cow<'a, str>,
    },
    ConfigRead {
        offset: u64,
        length: usize,
        bytes: Hex<'a>,
        result: Cow<'a, str>,
    },
    Violation {
        rule: Cow<'a, str>,
        #[cfg_attr(feature = "schema", schemars(with = "zpci_region::Severity"))]
        severity: Cow<'a, str>,
        path: Cow<'a, str>,
        pcias: u8,
        offset: u64,
        length: usize,
        pieces: usize,
        piece_length: usize,
        detail: Cow<'a, str>,
        /// Id of the fault that may have caused it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "String"))]
        caused_by: Option<Cow<'a, str>>,
    },
    Fault {
        fault: Cow<'a, str>,
        kind: Cow<'a, str>,
        number: u64,
        action: A,
        peer: Option<Cow<'a, str>>,
    },
    Command {
        code: u32,
        name: Cow<'a, str>,
        request: Hex<'a>,
        response_code: u16,
        response: Hex<'a>,
    },
    DataMove {
        token: u64,
        owner: Cow<'a, str>,
        dmb_offset: u64,
        length: usize,
        element: u8,
        signal: bool,
        signalled: bool,
    },
    Queued {
        to: Cow<'a, str>,
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
        reason: Cow<'a, str>,
    },
    RefusedRequest {
        command: Cow<'a, str>,
        errno: u32,
        reason: Cow<'a, str>,
    },
    Truncated {
        limit: u64,
    },
    /// An event of a newer server.
    #[serde(other, skip_serializing)]
    Unknown,
}
