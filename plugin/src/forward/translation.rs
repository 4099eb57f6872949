// SPDX-License-Identifier: GPL-2.0-or-later
//! Which exception ends an instruction whose block of guest memory cannot be read.
//!
//! QEMU only tells a plugin that a read failed. Why, is found by following the translation tables,
//! as the z/Architecture Principles of Operation, chapter 3, describe. Access keys are not looked
//! at, as QEMU's own read for plugins does not.

use super::ending::{ADDRESSING, ProgramException};
use crate::cpu::{GuestCpu, PSW_DAT, real_to_absolute};

const PAGE: u64 = 4096;
/// PSW mask bits 16 and 17.
const PSW_SPACE: u32 = 46;
/// Control registers with the tables of primary and home space.
const PRIMARY: u8 = 1;
const HOME: u8 = 13;
/// Control register 0: enhanced DAT, which has frames of 1 MiB and 2 GiB.
const ENHANCED_DAT: u64 = 1 << 23;
/// Address-space-control element: real space, table type, table length.
const REAL_SPACE: u64 = 0x20;
const TABLE_TYPE: u64 = 0x0C;
const TABLE_LENGTH: u64 = 0x03;
/// Table entry: invalid; the format control of segment and region-third entries; table offset.
const INVALID: u64 = 0x20;
const LARGE_FRAME: u64 = 0x400;
const TABLE_OFFSET: u32 = 6;
/// Page-table entry: invalid, and a bit that has to be 0.
const PAGE_INVALID: u64 = 0x400;
const PAGE_RESERVED: u64 = 0x800;
/// Codes of the exceptions.
const ASCE_TYPE: u16 = 0x38;
const TRANSLATION_SPECIFICATION: ProgramException = ProgramException::suppressing(0x12);
const PAGE_TRANSLATION: u16 = 0x11;
/// Of the table types segment, region third, second and first.
const TABLE_TRANSLATION: [u16; 4] = [0x10, 0x3B, 0x3A, 0x39];
/// In a translation-exception identification: a fetch.
const FETCH: u64 = 0x800;

/// The exception of reading `length` bytes, at least 1, at a logical address where that failed.
pub fn access_exception(cpu: &dyn GuestCpu, address: u64, length: usize) -> ProgramException {
    let last = address.wrapping_add(length as u64).wrapping_sub(1);
    let pages = (last / PAGE).wrapping_sub(address / PAGE) & (u64::MAX / PAGE);
    (0..=pages)
        .map(|page| (address & !(PAGE - 1)).wrapping_add(page * PAGE))
        .find_map(|page| reach(cpu, page).err())
        // What could not be read before can be now, or nobody knows why not.
        .unwrap_or(ADDRESSING)
}

/// Whether a page of logical addresses can be read.
fn reach(cpu: &dyn GuestCpu, page: u64) -> Result<(), ProgramException> {
    let mask = cpu.psw_mask().ok_or(ADDRESSING)?;
    let real = if mask & PSW_DAT == 0 {
        page
    } else {
        translate(cpu, mask >> PSW_SPACE & 3, page)?
    };
    let prefix = cpu.prefix().ok_or(ADDRESSING)?;
    let mut byte = Vec::with_capacity(1);
    if cpu.append_absolute(real_to_absolute(real, prefix), 1, &mut byte) {
        Ok(())
    } else {
        Err(ADDRESSING)
    }
}

/// Real address of a page of virtual addresses in space 0 (primary) or 3 (home).
///
/// # Errors
/// The exception of an address that is not translated.
pub fn translate(cpu: &dyn GuestCpu, space: u64, page: u64) -> Result<u64, ProgramException> {
    let register = if space == 3 { HOME } else { PRIMARY };
    let asce = cpu.control(register).ok_or(ADDRESSING)?;
    let enhanced = cpu.control(0).ok_or(ADDRESSING)? & ENHANCED_DAT != 0;
    if asce & REAL_SPACE != 0 {
        return Ok(page);
    }
    let fault = |code| ProgramException {
        code,
        translation: Some(page | FETCH | space),
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
        // Tables have one to four quarters of 512 entries.
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
        if enhanced && level <= 1 && entry & LARGE_FRAME != 0 {
            let frame = (1 << shift(level)) - 1;
            return Ok(entry & !frame | page & frame);
        }
        origin = entry & !(PAGE - 1);
        first = entry >> TABLE_OFFSET & TABLE_LENGTH;
        last = entry & TABLE_LENGTH;
        if level == 0 {
            // Page tables have 256 entries and lie on 2 KiB.
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
