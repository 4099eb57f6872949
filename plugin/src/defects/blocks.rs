// SPDX-License-Identifier: GPL-2.0-or-later
//! Defects in the reading of blocks from guest memory.

use super::hook::{Defect, Hook, defects};
use crate::cpu::{GuestCpu, PSW_DAT, read_logical, read_real};
use crate::forward::access::PSW_SPACE;
use crate::forward::ending::{ADDRESSING, OPERAND, ProgramException, SPECIFICATION};
use crate::forward::translation::{append_block, translate};

type Fetched = Result<Vec<u8>, ProgramException>;

const PAGE: usize = 4096;
/// Bytes of the buffer on the stack in QEMU up to 11.1.
const SMALL_BUFFER: usize = 128;
const PRIMARY: u64 = 0;
const HOME: u64 = 3;

pub(crate) const DEFECTS: &[Defect] = defects![
    "source-wraps-in-page",
    "a block that crosses a page of guest memory goes on at that page's start",
    Hook::Block(|cpu, source, length, _| {
        let within = PAGE - at_in_page(source);
        if length <= within {
            return block(cpu, source, length);
        }
        let start = source - at_in_page(source) as u64;
        let mut bytes = block(cpu, source, within)?;
        bytes.extend(block(cpu, start, length - within)?);
        Ok(bytes)
    }),
    "second-page-zeros",
    "the part of a block in its second page is sent as zeros",
    Hook::Block(|cpu, source, length, _| {
        let within = length.min(PAGE - at_in_page(source));
        let mut bytes = block(cpu, source, within)?;
        bytes.resize(length, 0);
        Ok(bytes)
    }),
    "second-page-real",
    "the second page of a block is the one that follows in real memory",
    Hook::Block(|cpu, source, length, _| {
        let within = length.min(PAGE - at_in_page(source));
        let mut bytes = block(cpu, source, within)?;
        if within < length {
            let page = real_page(cpu, source)?.wrapping_add(PAGE as u64);
            bytes.extend(read_real(cpu, page, length - within).ok_or(ADDRESSING)?);
        }
        Ok(bytes)
    }),
    "fault-as-zeros",
    "a block that cannot be read is sent as zeros",
    Hook::Block(|cpu, source, length, _| {
        Ok(read_logical(cpu, source, length).unwrap_or_else(|| vec![0; length]))
    }),
    "fault-as-stale",
    "instead of a block that cannot be read, the previous one is sent",
    Hook::Block(|cpu, source, length, memory| {
        let bytes = read_logical(cpu, source, length);
        let mut bytes = bytes.unwrap_or_else(|| memory.block.clone());
        bytes.resize(length, 0);
        memory.block.clone_from(&bytes);
        Ok(bytes)
    }),
    "fault-as-addressing",
    "every access exception is an addressing exception",
    Hook::Block(|cpu, source, length, _| block(cpu, source, length).map_err(|_| ADDRESSING)),
    "fault-as-specification",
    "a block that cannot be read ends in a specification exception",
    Hook::Block(|cpu, source, length, _| block(cpu, source, length).map_err(|_| SPECIFICATION)),
    "fault-as-operand",
    "a block that cannot be read ends in an operand exception",
    Hook::Block(|cpu, source, length, _| block(cpu, source, length).map_err(|_| OPERAND)),
    "fault-of-first-page",
    "an access exception names the block's first page, even if another one is missing",
    Hook::Block(|cpu, source, length, _| {
        block(cpu, source, length)
            .map_err(|exception| named(exception, |id| id & 0xFFF | source & !0xFFF))
    }),
    "fault-address-zero",
    "an access exception does not name an address",
    Hook::Block(|cpu, source, length, _| {
        block(cpu, source, length).map_err(|exception| named(exception, |id| id & 0xFFF))
    }),
    "fault-suppresses",
    "a missing page leaves the old PSW after the instruction",
    Hook::Block(|cpu, source, length, _| {
        block(cpu, source, length)
            .map_err(|exception| ProgramException::suppressing(exception.code))
    }),
    "stale-block",
    "the bytes of the previous block are sent, as far as it reaches",
    Hook::Block(|cpu, source, length, memory| {
        let fresh = block(cpu, source, length)?;
        let mut bytes = fresh.clone();
        for (byte, stale) in bytes.iter_mut().zip(&memory.block) {
            *byte = *stale;
        }
        memory.block = fresh;
        Ok(bytes)
    }),
    "stale-tail",
    "the last 8 bytes of a block longer than 8 come from the previous block",
    Hook::Block(|cpu, source, length, memory| {
        let fresh = block(cpu, source, length)?;
        let mut bytes = fresh.clone();
        let from = if length > 8 { length - 8 } else { length };
        for (byte, stale) in bytes.iter_mut().zip(&memory.block).skip(from) {
            *byte = *stale;
        }
        memory.block = fresh;
        Ok(bytes)
    }),
    "small-buffer-zeros",
    "after the first 128 bytes of a block, zeros are sent",
    Hook::Block(|cpu, source, length, _| {
        let mut bytes = block(cpu, source, length)?;
        bytes.truncate(SMALL_BUFFER);
        bytes.resize(length, 0);
        Ok(bytes)
    }),
    "small-buffer-repeats",
    "after the first 128 bytes of a block, they are sent again",
    Hook::Block(|cpu, source, length, _| {
        let bytes = block(cpu, source, length)?;
        let first = bytes.get(..length.min(SMALL_BUFFER)).unwrap_or_default();
        Ok(first.iter().copied().cycle().take(length).collect())
    }),
    "doublewords-only",
    "the bytes of a block after its last whole doubleword are sent as zeros",
    Hook::Block(|cpu, source, length, _| {
        let mut bytes = block(cpu, source, length)?;
        bytes.truncate(length & !7);
        bytes.resize(length, 0);
        Ok(bytes)
    }),
    "home-as-primary",
    "a block in the home space is read from the primary space",
    Hook::Block(|cpu, source, length, _| in_primary_space(cpu, source, length)),
];

/// Reads the bytes of a block.
///
/// # Errors
/// The exception of the first page that cannot be read. It ends the instruction.
pub(crate) fn block(
    cpu: &dyn GuestCpu,
    source: u64,
    length: usize,
) -> Result<Vec<u8>, ProgramException> {
    let mut bytes = Vec::with_capacity(length);
    append_block(cpu, source, length, &mut bytes)?;
    Ok(bytes)
}

fn at_in_page(source: u64) -> usize {
    (source % PAGE as u64) as usize
}

/// Returns the exception with another translation-exception identification.
fn named(exception: ProgramException, change: impl FnOnce(u64) -> u64) -> ProgramException {
    ProgramException {
        translation: exception.translation.map(change),
        ..exception
    }
}

/// Returns the real address of the page of a logical address.
fn real_page(cpu: &dyn GuestCpu, address: u64) -> Result<u64, ProgramException> {
    let page = address & !(PAGE as u64 - 1);
    let mask = cpu.psw_mask().ok_or(ADDRESSING)?;
    match mask & PSW_DAT {
        0 => Ok(page),
        _ => translate(cpu, space(mask), page),
    }
}

/// Reads a block from the primary space although the CPU is in home-space mode.
fn in_primary_space(cpu: &dyn GuestCpu, source: u64, length: usize) -> Fetched {
    let mask = cpu.psw_mask().ok_or(ADDRESSING)?;
    if mask & PSW_DAT == 0 || space(mask) != HOME {
        return block(cpu, source, length);
    }
    let mut bytes = Vec::new();
    let mut at = source;
    while bytes.len() < length {
        let page = translate(cpu, PRIMARY, at & !(PAGE as u64 - 1))?;
        let piece = (length - bytes.len()).min(PAGE - at_in_page(at));
        let real = page + at_in_page(at) as u64;
        bytes.extend(read_real(cpu, real, piece).ok_or(ADDRESSING)?);
        at = at.wrapping_add(piece as u64);
    }
    Ok(bytes)
}

/// Returns the address-space control of a PSW mask.
const fn space(mask: u64) -> u64 {
    mask >> PSW_SPACE & 3
}
