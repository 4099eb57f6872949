// SPDX-License-Identifier: GPL-2.0-or-later
//! The guest's handles of forwarded functions, learned from its CLP calls.
//!
//! Commands and layouts: Linux `arch/s390/include/asm/pci_clp.h`. A handle has its enable bit while the
//! function is enabled. Its other bits stay the same while the function is plugged in.

use super::settings::Selector;

/// Command codes of CLP.
const LIST: u16 = 2;
const QUERY: u16 = 3;
const QUERY_GROUP: u16 = 4;
const SET: u16 = 5;
/// Offset of a group's number, in the response to a function query and in the request of a group query.
const GROUP: usize = 19;
/// Response code of a call that succeeded.
const OK: u16 = 0x10;
/// Bit of a handle whose function is enabled.
const ENABLED: u32 = 1 << 31;
/// Statuses of a failed RPCIT: the function enters the error state, or was in it already (QEMU
/// `hw/s390x/s390-pci-inst.c`).
const ENTERED_ERROR: u8 = 8;
const IN_ERROR: u8 = 40;
/// Operations of MPCIFC after which loads and stores work again.
const RESET_ERROR: u16 = 7;
const RESET_BLOCK: u16 = 9;
/// Vendor id and device id of ISM.
const ISM: (u16, u16) = (0x1014, 0x04ED);
/// Offsets in a list: resume token at 16, length of an entry at 31, entries from 32 on.
const RESUME_TOKEN: usize = 16;
const ENTRY_LENGTH: usize = 31;
const ENTRIES: usize = 32;

/// A forwarded function, as the guest knows it.
#[derive(Debug)]
struct Known {
    selector: Selector,
    handle: Option<u32>,
    /// Number of the function's group, once a query has reported it.
    group: Option<u8>,
    /// True if QEMU has put the function into its error state, in which QEMU carries nothing out.
    in_error: bool,
    /// True if the user was informed that the guest lacks the function.
    missed: bool,
}

/// The subject of a CLP query of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The forwarded function with this number.
    Function(usize),
    /// The group of the forwarded functions with these numbers.
    Group(Vec<usize>),
}

/// The handles of all forwarded functions, by their number.
#[derive(Debug)]
pub(crate) struct Handles {
    functions: Vec<Known>,
}

/// An entry of a list.
struct Listed {
    is_ism: bool,
    fid: u32,
    handle: u32,
}

impl Handles {
    /// Creates the state before any CLP call.
    pub(crate) fn new(selectors: impl IntoIterator<Item = Selector>) -> Self {
        let known = |selector| Known {
            selector,
            handle: None,
            group: None,
            in_error: false,
            missed: false,
        };
        Self {
            functions: selectors.into_iter().map(known).collect(),
        }
    }

    /// Finds the forwarded function that has this handle, is enabled and is not in error.
    pub(crate) fn find(&self, handle: u32) -> Option<usize> {
        if handle & ENABLED == 0 {
            return None;
        }
        let ours = |known: &Known| known.handle == Some(handle) && !known.in_error;
        self.functions.iter().position(ours)
    }

    /// Finds a function by its handle, but ignores the bits of `ignored` and the error state.
    pub(crate) fn find_carelessly(&self, handle: u32, ignored: u32) -> Option<usize> {
        let ours = |known: &Known| {
            known
                .handle
                .is_some_and(|known| (known ^ handle) & !ignored == 0)
        };
        self.functions.iter().position(ours)
    }

    /// True if the guest has this forwarded function and has enabled it.
    pub(crate) fn is_enabled(&self, number: usize) -> bool {
        let handle = self.functions.get(number).and_then(|known| known.handle);
        handle.is_some_and(|handle| handle & ENABLED != 0)
    }

    /// Records the outcome of an RPCIT: condition code 1 with one of two statuses means the error state.
    pub(crate) fn refreshed(&mut self, handle: u32, cc: Option<u8>, status: Option<u8>) {
        if cc == Some(1) && matches!(status, Some(ENTERED_ERROR | IN_ERROR)) {
            self.set_error(handle, true);
        }
    }

    /// Records the outcome of an MPCIFC. Two of its operations unblock loads and stores.
    pub(crate) fn controlled(&mut self, handle: u32, operation: Option<u16>, cc: Option<u8>) {
        if matches!((operation, cc), (Some(RESET_ERROR | RESET_BLOCK), Some(0))) {
            self.set_error(handle, false);
        }
    }

    fn set_error(&mut self, handle: u32, in_error: bool) {
        for known in &mut self.functions {
            if known.handle == Some(handle) {
                known.in_error = in_error;
            }
        }
    }

    /// Returns the subject of a CLP query, if it concerns forwarded functions.
    pub(crate) fn subject(&self, request: &[u8], response: &[u8]) -> Option<Subject> {
        if half(response, 2) != Some(OK) {
            return None;
        }
        match half(request, 2)? {
            QUERY => {
                let handle = word(request, 16)?;
                let ours = |known: &Known| known.handle.is_some_and(|ours| same(ours, handle));
                self.functions.iter().position(ours).map(Subject::Function)
            }
            QUERY_GROUP => {
                let group = request.get(GROUP).copied();
                let members = (0..).zip(&self.functions);
                let members: Vec<usize> = members
                    .filter(|(_, known)| known.group.is_some() && known.group == group)
                    .map(|(number, _)| number)
                    .collect();
                (!members.is_empty()).then_some(Subject::Group(members))
            }
            _ => None,
        }
    }

    /// Records the answer to a CLP call for PCI. Returns messages for the user.
    pub(crate) fn learn(&mut self, request: &[u8], response: &[u8]) -> Vec<String> {
        if half(response, 2) != Some(OK) {
            return Vec::new();
        }
        match half(request, 2) {
            Some(LIST) => self.list(request, response),
            Some(QUERY) => self.query(request, response),
            Some(SET) => self.set(request, response),
            _ => Vec::new(),
        }
    }

    fn list(&mut self, request: &[u8], response: &[u8]) -> Vec<String> {
        let listed = entries(response);
        let whole = [request, response]
            .iter()
            .all(|block| block.get(RESUME_TOKEN..RESUME_TOKEN + 8) == Some(&[0; 8]));
        let mut notes = Vec::new();
        for known in &mut self.functions {
            let matching: Vec<&Listed> = listed
                .iter()
                .filter(|entry| match known.selector {
                    Selector::Fid(fid) => entry.fid == fid,
                    Selector::OnlyIsm => entry.is_ism,
                    // The list has no uid, but a query of each function reports it.
                    Selector::Uid(_) => known
                        .handle
                        .is_some_and(|handle| same(handle, entry.handle)),
                })
                .collect();
            let by_uid = matches!(known.selector, Selector::Uid(_));
            match matching.as_slice() {
                [only] => {
                    known.handle = Some(only.handle);
                    // A reset of the machine disables the function too.
                    known.in_error &= only.handle & ENABLED != 0;
                }
                [] if whole => {
                    known.handle = None;
                    if !known.missed && !by_uid {
                        known.missed = true;
                        notes.push(format!(
                            "the guest has no function with {}; the plugin forwards nothing for it",
                            known.selector
                        ));
                    }
                }
                [] => {}
                several => {
                    known.handle = None;
                    if !known.missed {
                        known.missed = true;
                        notes.push(format!(
                            "the guest has {} functions 1014:04ed: name one by fid=N or uid=N; the plugin forwards none",
                            several.len()
                        ));
                    }
                }
            }
        }
        notes
    }

    fn query(&mut self, request: &[u8], response: &[u8]) -> Vec<String> {
        let (Some(handle), Some(fid), Some(uid)) =
            (word(request, 16), word(response, 20), word(response, 124))
        else {
            return Vec::new();
        };
        for known in &mut self.functions {
            let ours = match known.selector {
                Selector::Fid(wanted) => fid == wanted,
                Selector::Uid(wanted) => uid == wanted,
                Selector::OnlyIsm => false,
            };
            if ours {
                known.handle = Some(handle);
            }
            if known.handle == Some(handle) {
                known.group = response.get(GROUP).copied();
            }
            if ours || known.selector == Selector::OnlyIsm {
                continue;
            }
            if known.handle.is_some_and(|known| same(known, handle)) {
                // The function was plugged in again: the handle now belongs to another function.
                known.handle = None;
            }
        }
        Vec::new()
    }

    fn set(&mut self, request: &[u8], response: &[u8]) -> Vec<String> {
        if let (Some(before), Some(after)) = (word(request, 16), word(response, 16)) {
            let ours = |known: &&mut Known| known.handle.is_some_and(|handle| same(handle, before));
            if let Some(known) = self.functions.iter_mut().find(ours) {
                known.handle = Some(after);
                known.in_error = false;
            }
        }
        Vec::new()
    }
}

/// True if two handles belong to one function, enabled or not.
const fn same(one: u32, other: u32) -> bool {
    (one ^ other) & !ENABLED == 0
}

fn entries(response: &[u8]) -> Vec<Listed> {
    let length = response.get(ENTRY_LENGTH).copied().map_or(0, usize::from);
    if length < 16 {
        return Vec::new();
    }
    response
        .get(ENTRIES..)
        .unwrap_or_default()
        .chunks_exact(length)
        .filter_map(|entry| {
            let (device, vendor) = (half(entry, 0)?, half(entry, 2)?);
            Some(Listed {
                is_ism: (vendor, device) == ISM,
                fid: word(entry, 8)?,
                handle: word(entry, 12)?,
            })
        })
        .collect()
}

fn half(block: &[u8], at: usize) -> Option<u16> {
    block
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u16::from_be_bytes)
}

fn word(block: &[u8], at: usize) -> Option<u32> {
    block
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests;
