// SPDX-License-Identifier: GPL-2.0-or-later
//! Reads an instruction's block in guest memory, or finds the exception that ends the instruction.
//!
//! QEMU only reports to a plugin that a read failed, and it reads no secondary space. So the plugin follows
//! the translation tables, as the z/Architecture Principles of Operation, chapter 3, describe, to find the
//! reason, and the content of that space. It ignores access keys, like QEMU's own read for plugins.

use super::ending::{ADDRESSING, PROTECTION, ProgramException};
use crate::cpu::{GuestCpu, PSW_DAT, append_logical, real_to_absolute};

const PAGE: u64 = 4096;
/// Position of PSW mask bits 16 and 17.
const PSW_SPACE: u32 = 46;
/// Control registers with the tables of primary, secondary and home space.
const PRIMARY: u8 = 1;
const SECONDARY: u8 = 7;
const HOME: u8 = 13;
/// Value of PSW mask bits 16 and 17 for the secondary space.
const SECONDARY_SPACE: u64 = 2;
/// Bit of control register 0: enhanced DAT, which has frames of 1 MiB and 2 GiB.
const ENHANCED_DAT: u64 = 1 << 23;
/// Fields of an address-space-control element: real space, table type, table length.
const REAL_SPACE: u64 = 0x20;
const TABLE_TYPE: u64 = 0x0C;
const TABLE_LENGTH: u64 = 0x03;
/// Fields of a table entry: invalid; the format control of segment and region-third entries; table offset.
const INVALID: u64 = 0x20;
const LARGE_FRAME: u64 = 0x400;
const TABLE_OFFSET: u32 = 6;
/// Bits of a page-table entry: invalid, and a bit that must be 0.
const PAGE_INVALID: u64 = 0x400;
const PAGE_RESERVED: u64 = 0x800;
/// Interruption codes of the exceptions.
const ASCE_TYPE: u16 = 0x38;
const TRANSLATION_SPECIFICATION: ProgramException = ProgramException::suppressing(0x12);
const PAGE_TRANSLATION: u16 = 0x11;
/// Interruption codes for the table types segment, region third, second and first.
const TABLE_TRANSLATION: [u16; 4] = [0x10, 0x3B, 0x3A, 0x39];
/// Bits of a translation-exception identification: fetch, store.
const FETCH: u64 = 0x800;
const STORE: u64 = 0x400;
/// Bit of a segment-table or page-table entry: stores are forbidden.
const PROTECTED: u64 = 0x200;

/// Appends `length` bytes (at least 1) at a logical address.
///
/// # Errors
/// The exception of the first page that cannot be read.
pub(crate) fn append_block(
    cpu: &dyn GuestCpu,
    address: u64,
    length: usize,
    out: &mut Vec<u8>,
) -> Result<(), ProgramException> {
    let mask = cpu.psw_mask().ok_or(ADDRESSING)?;
    if mask & PSW_DAT == 0 || mask >> PSW_SPACE & 3 != SECONDARY_SPACE {
        return if append_logical(cpu, address, length, out) {
            Ok(())
        } else {
            Err(access_exception(cpu, address, length))
        };
    }
    let prefix = cpu.prefix().ok_or(ADDRESSING)?;
    let (mut at, mut left) = (address, length);
    while left > 0 {
        let in_page = usize::try_from(PAGE - at % PAGE).unwrap_or(usize::MAX);
        let piece = in_page.min(left);
        let real = translate(cpu, SECONDARY_SPACE, at & !(PAGE - 1))? + at % PAGE;
        if !cpu.append_absolute(real_to_absolute(real, prefix), piece, out) {
            return Err(ADDRESSING);
        }
        at = at.wrapping_add(piece as u64);
        left -= piece;
    }
    Ok(())
}

/// Checks that `length` bytes (at least 1) at a logical address can be read, or written.
///
/// # Errors
/// The exception of the first page that cannot.
pub(crate) fn reach_all(
    cpu: &dyn GuestCpu,
    address: u64,
    length: usize,
    store: bool,
) -> Result<(), ProgramException> {
    pages(address, length).try_for_each(|page| reach(cpu, page, store))
}

fn pages(address: u64, length: usize) -> impl Iterator<Item = u64> {
    let last = address.wrapping_add(length as u64).wrapping_sub(1);
    let pages = (last / PAGE).wrapping_sub(address / PAGE) & (u64::MAX / PAGE);
    (0..=pages).map(move |page| (address & !(PAGE - 1)).wrapping_add(page * PAGE))
}

/// Finds the exception after a failed read of `length` bytes (at least 1) at a logical address.
pub(crate) fn access_exception(
    cpu: &dyn GuestCpu,
    address: u64,
    length: usize,
) -> ProgramException {
    reach_all(cpu, address, length, false)
        .err()
        // Now the bytes can be read, or nobody knows why not.
        .unwrap_or(ADDRESSING)
}

/// Checks that a page of logical addresses can be read, or written.
fn reach(cpu: &dyn GuestCpu, page: u64, store: bool) -> Result<(), ProgramException> {
    let mask = cpu.psw_mask().ok_or(ADDRESSING)?;
    let real = if mask & PSW_DAT == 0 {
        page
    } else {
        walk(cpu, mask >> PSW_SPACE & 3, page, store)?
    };
    let prefix = cpu.prefix().ok_or(ADDRESSING)?;
    let mut byte = Vec::with_capacity(1);
    if cpu.append_absolute(real_to_absolute(real, prefix), 1, &mut byte) {
        Ok(())
    } else {
        Err(ADDRESSING)
    }
}

/// Returns the real address, for reading, of a page of virtual addresses in space 0 (primary), 2 (secondary)
/// or 3 (home).
///
/// # Errors
/// The exception of an address that is not translated.
pub(crate) fn translate(
    cpu: &dyn GuestCpu,
    space: u64,
    page: u64,
) -> Result<u64, ProgramException> {
    walk(cpu, space, page, false)
}

fn walk(cpu: &dyn GuestCpu, space: u64, page: u64, store: bool) -> Result<u64, ProgramException> {
    let register = match space {
        SECONDARY_SPACE => SECONDARY,
        3 => HOME,
        _ => PRIMARY,
    };
    let asce = cpu.control(register).ok_or(ADDRESSING)?;
    let enhanced = cpu.control(0).ok_or(ADDRESSING)? & ENHANCED_DAT != 0;
    if asce & REAL_SPACE != 0 {
        return Ok(page);
    }
    let fault = |code| ProgramException {
        code,
        translation: Some(page | if store { STORE } else { FETCH } | space),
    };
    // 3: region first, 2: region second, 1: region third, 0: segment.
    let top = (asce & TABLE_TYPE) >> 2;
    // Each table translates 11 bits of the address, the segment table those above bit 20.
    let shift = |level: u64| 20 + 11 * level as u32;
    if top < 3 && page >> (shift(top) + 11) != 0 {
        return Err(fault(ASCE_TYPE));
    }
    let (mut origin, mut first, mut last) = (asce & !(PAGE - 1), 0, asce & TABLE_LENGTH);
    for level in (0..=top).rev() {
        let code = TABLE_TRANSLATION.get(level as usize).copied();
        let missing = fault(code.unwrap_or(ASCE_TYPE));
        let index = page >> shift(level) & 0x7FF;
        // A table has one to four quarters of 512 entries.
        if !(first..=last).contains(&(index >> 9)) {
            return Err(missing);
        }
        let entry = entry(cpu, origin + index * 8)?;
        if entry & INVALID != 0 {
            return Err(missing);
        }
        if (entry & TABLE_TYPE) >> 2 != level {
            return Err(TRANSLATION_SPECIFICATION);
        }
        if store && level == 0 && entry & PROTECTED != 0 {
            return Err(fault(PROTECTION));
        }
        if enhanced && level <= 1 && entry & LARGE_FRAME != 0 {
            let frame = (1 << shift(level)) - 1;
            return Ok(entry & !frame | page & frame);
        }
        origin = entry & !(PAGE - 1);
        first = entry >> TABLE_OFFSET & TABLE_LENGTH;
        last = entry & TABLE_LENGTH;
        if level == 0 {
            // A page table has 256 entries and is aligned to 2 KiB.
            origin = entry & !0x7FF;
        }
    }
    let entry = entry(cpu, origin + (page >> 12 & 0xFF) * 8)?;
    if entry & PAGE_INVALID != 0 {
        return Err(fault(PAGE_TRANSLATION));
    }
    if entry & PAGE_RESERVED != 0 {
        return Err(TRANSLATION_SPECIFICATION);
    }
    if store && entry & PROTECTED != 0 {
        return Err(fault(PROTECTION));
    }
    Ok(entry & !(PAGE - 1))
}

fn entry(cpu: &dyn GuestCpu, real: u64) -> Result<u64, ProgramException> {
    let read = || {
        let absolute = real_to_absolute(real, cpu.prefix()?);
        let mut bytes = Vec::with_capacity(8);
        cpu.append_absolute(absolute, 8, &mut bytes).then_some(())?;
        bytes.first_chunk().copied().map(u64::from_be_bytes)
    };
    read().ok_or(ADDRESSING)
}

#[cfg(test)]
mod tests;
