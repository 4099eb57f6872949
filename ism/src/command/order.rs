//! Rules about the order of the stores and loads that make up a command.
//!
//! Two drivers that use the window at once interleave the accesses of two commands. The first access of the
//! later command then comes while the earlier command is in progress. The phase of the earlier command
//! ([`window`](super::window)) decides which rule that access breaks:
//!
//! | phase | payload | header |
//! |---|---|---|
//! | Gathering | `payload-overwritten`, `payload-mixed` | `bad-command-length`, or it takes over the earlier payload |
//! | Answered | `command-overlap` | `command-overlap` |
//! | HalfRead | `response-half-read` | `response-half-read` |
//!
//! While a fault hides the response, the driver cannot act correctly, so the rules judge nothing.
//!
//! A header cannot take over the payload of another command unnoticed, because a command with payload has
//! stored its own payload before. So every interleaving breaks a rule. A test shows this for all pairs of
//! commands.

use zpci_region::access::{Load, Store};
use zpci_region::{Judgement, Rule};

use super::request::{Fault, Request, Whole};
use super::table::Command;
use super::window::{Phase, Window};
use crate::layout::{Fields, HEADER_LEN};

const HEADER: u64 = HEADER_LEN as u64;

/// Judges a store into the window, by itself and by the accesses before it.
pub(crate) fn store(window: &Window, store: &Store<'_>, judgement: &mut Judgement<'_>) {
    let (start, len) = (store.offset, store.data.len());
    let end = start.saturating_add(len as u64);
    let header_bytes = end.min(HEADER).saturating_sub(start);
    match window.phase() {
        Phase::Idle | Phase::Hidden { .. } => {}
        Phase::Gathering => payload(window.request(), start, end, judgement),
        Phase::Answered { starved: true } if header_bytes == 0 => {
            judgement.broken(Rule::PayloadAfterHeader, || {
                format!("payload of {len} bytes at {start:#x} after the header that announced it: expected it before")
            });
        }
        Phase::Answered { .. } => judgement.broken(Rule::CommandOverlap, || {
            format!("store of {len} bytes at {start:#x} before the last response was loaded: expected a load of its header")
        }),
        Phase::HalfRead { loaded } => judgement.broken(Rule::ResponseHalfRead, || {
            let response = window.response_len();
            format!("store of {len} bytes at {start:#x} after {loaded} of the last response's {response} bytes were loaded: expected loads of the rest")
        }),
    }
    if header_bytes > 0 && header_bytes < HEADER && window.request().header_written() == 0 {
        judgement.broken(Rule::TornHeader, || {
            format!("{header_bytes} bytes of a header at {start:#x}: expected all 8 in one store")
        });
    }
    if header_bytes == HEADER && end > HEADER {
        judgement.broken(Rule::HeaderNotAlone, || {
            format!("store of {len} bytes at 0x0 covers the header and more: expected exactly 8")
        });
    }
}

/// Judges a payload that is stored while another payload waits for its header.
fn payload(request: &Request, start: u64, end: u64, judgement: &mut Judgement<'_>) {
    let (covered, left) = request.payload_covered(start, end);
    match (covered, left) {
        (0, _) => {}
        (_, 0) => judgement.broken(Rule::PayloadOverwritten, || {
            format!("payload at {start:#x}..{end:#x} over all {covered} bytes of a payload whose header did not come: expected that header")
        }),
        _ => judgement.broken(Rule::PayloadMixed, || {
            format!("payload at {start:#x}..{end:#x} over {covered} bytes of a payload whose header did not come, {left} bytes of it are left: expected that header")
        }),
    }
}

/// Judges a request whose header is complete.
pub(crate) fn header(
    request: &Request,
    parsed: &Result<Whole, Fault>,
    judgement: &mut Judgement<'_>,
) {
    if request.reserved() != 0 {
        judgement.broken(Rule::ReservedNotZero, || {
            format!(
                "reserved bytes {:#06x} in a command header: expected 0",
                request.reserved()
            )
        });
    }
    let payload = |command: Command| command.request_len() - HEADER_LEN;
    match *parsed {
        Ok(Whole { extra: 0, .. }) => {}
        Ok(Whole { command, extra, .. }) => judgement.broken(Rule::BadCommandLength, || {
            let (name, payload) = (command.name(), payload(command));
            format!("{name} with {extra} bytes stored after its payload: expected {payload} bytes of payload")
        }),
        Err(Fault::Unknown) => judgement.broken(Rule::UnknownCommand, || unknown(request)),
        Err(Fault::Length(command)) => judgement.broken(Rule::BadCommandLength, || {
            let (name, expected) = (command.name(), command.request_len());
            format!("{name} with length {}: expected {expected}", request.len())
        }),
        Err(Fault::Short(command, present)) => {
            judgement.broken(Rule::HeaderWithoutPayload, || {
                let (name, payload) = (command.name(), payload(command));
                format!("{name} with {present} bytes of payload stored: expected {payload}")
            });
        }
        Err(Fault::Gap(command, at)) => judgement.broken(Rule::PayloadGap, || {
            let (name, payload) = (command.name(), payload(command));
            format!("{name} without the payload at {at:#x}, though with later bytes: expected {payload} bytes from 0x8 on")
        }),
    }
}

/// Describes an unknown command code. A client of the other byte order reverses each doubleword, so the text
/// also names the command that the reversed header has.
fn unknown(request: &Request) -> String {
    let code = request.command();
    let mut reversed = request.header();
    reversed.reverse();
    let fields = Fields(&reversed);
    match Command::from_code(fields.u32(0)) {
        Some(command) if usize::from(fields.u16(6)) == command.request_len() => format!(
            "command {code:#x} is not known; with its 8 bytes reversed the header is {}: expected the bytes in the order of guest memory",
            command.name()
        ),
        _ => format!("command {code:#x} is not known: expected one of the fourteen"),
    }
}

/// Judges a load from the window.
pub(crate) fn load(window: &Window, load: &Load, judgement: &mut Judgement<'_>) {
    let (start, len) = (load.offset, load.len);
    if !window.ran() || !window.request().is_empty() {
        let why = if window.ran() {
            "the guest has begun a new request and has not stored its header"
        } else {
            "no command ran"
        };
        judgement.broken(Rule::ResponseBeforeCommand, || {
            format!("load of {len} bytes at {start:#x}, but {why}: expected a header before")
        });
    }
    let end = start.saturating_add(len as u64);
    let response = window.response_len();
    if window.ran() && end > response as u64 {
        judgement.broken(Rule::ResponseOverread, || format!("load of {len} bytes at {start:#x}: expected them inside the response of {response} bytes"));
    }
}

#[cfg(test)]
mod tests;
