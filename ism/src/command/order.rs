//! Order of the stores and loads that make up a command.
//!
//! The sequence of Linux 6.12 `ism_cmd`: one store of the payload at 8, one store of the header
//! at 0, loads of the response from 0 up.

use zpci_region::access::{Load, Store};
use zpci_region::{Judgement, Rule};

use super::request::{Fault, Request, Whole};
use super::table::Command;
use super::window::Window;
use crate::layout::{Fields, HEADER_LEN};

const HEADER: u64 = HEADER_LEN as u64;

/// Judges a store into the window by itself and by what came before it.
pub(crate) fn store(window: &Window, store: &Store<'_>, judgement: &mut Judgement<'_>) {
    let (start, len) = (store.offset, store.data.len());
    let end = start.saturating_add(len as u64);
    let header_bytes = end.min(HEADER).saturating_sub(start);
    if header_bytes == 0 && window.starved() {
        judgement.broken(Rule::PayloadAfterHeader, || format!("payload of {len} bytes at {start:#x} after the header that announced it: expected it before"));
    } else if window.unread() {
        judgement.broken(Rule::CommandOverlap, || format!("store of {len} bytes at {start:#x} before the last response was loaded: expected a load of its header"));
    }
    if header_bytes > 0 && header_bytes < HEADER && !window.header_begun() {
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
            format!("{name} with {extra} bytes stored behind its payload: expected {payload} bytes of payload")
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

/// What is said of an unknown code; clients of other byte order reverse each doubleword.
fn unknown(request: &Request) -> String {
    let code = request.command();
    let mut reversed = request.header();
    reversed.reverse();
    let fields = Fields(&reversed);
    match Command::from_code(fields.u32(0)) {
        Some(command) if usize::from(fields.u16(6)) == command.request_len() => format!(
            "command {code:#x} is not known; with its 8 bytes reversed the header is {}: expected bytes in the order of guest memory",
            command.name()
        ),
        _ => format!("command {code:#x} is not known: expected one of the fourteen"),
    }
}

/// Judges a load from the window.
pub(crate) fn load(window: &Window, load: &Load, judgement: &mut Judgement<'_>) {
    let (start, len) = (load.offset, load.len);
    if !window.ran() || !window.idle() {
        let why = if window.ran() {
            "a new request was begun and its header is not stored"
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
