// SPDX-License-Identifier: GPL-2.0-or-later
//! The interface through which the plugin accesses a vCPU.

use crate::decode::{Gpr, StorageOperand};

/// PSW mask bit 5: dynamic address translation.
pub(crate) const PSW_DAT: u64 = 1 << 58;
/// PSW mask bit 31: extended addressing, 64-bit together with [`PSW_BASIC_ADDRESSING`].
const PSW_EXTENDED_ADDRESSING: u64 = 1 << 32;
/// PSW mask bit 32: basic addressing, 31-bit alone.
const PSW_BASIC_ADDRESSING: u64 = 1 << 31;
/// Size of the prefix area: so many bytes at absolute 0 and at the prefix swap places.
const PREFIX_AREA: u64 = 0x2000;
/// Reads are split at this size, because every translation covers at least a page.
const PAGE: u64 = 0x1000;

/// Registers and memory of the vCPU that runs the current callback.
///
/// Every method returns `None` if QEMU does not give the value.
pub(crate) trait Cpu {
    /// Returns a general register.
    fn gpr(&self, register: Gpr) -> Option<u64>;
    /// Returns the left half of the PSW, with the condition code in bits 18 and 19.
    fn psw_mask(&self) -> Option<u64>;
    /// Returns the prefix register, which is the absolute address of the lowcore.
    fn prefix(&self) -> Option<u64>;
    /// Appends `length` bytes (at least 1) at a virtual address, through the current translation. Returns
    /// false and appends nothing if not all bytes can be read.
    fn append_virtual(&self, address: u64, length: usize, out: &mut Vec<u8>) -> bool;
    /// Appends `length` bytes (at least 1) at an absolute address, or nothing.
    fn append_absolute(&self, address: u64, length: usize, out: &mut Vec<u8>) -> bool;
}

/// A vCPU whose registers and memory the plugin changes. Each change returns true if QEMU made it.
pub(crate) trait GuestCpu: Cpu {
    /// Returns a control register, 0 to 15.
    fn control(&self, number: u8) -> Option<u64>;
    /// Sets a general register.
    fn set_gpr(&mut self, register: Gpr, value: u64) -> bool;
    /// Sets the left half of the PSW.
    fn set_psw_mask(&mut self, mask: u64) -> bool;
    /// Writes bytes at an absolute address.
    fn write_absolute(&mut self, address: u64, bytes: &[u8]) -> bool;
    /// Writes bytes at a virtual address, through the current translation.
    fn write_virtual(&mut self, address: u64, bytes: &[u8]) -> bool;
}

/// Returns the condition code of a PSW mask, 0 to 3.
pub(crate) fn condition_code(psw_mask: u64) -> u8 {
    ((psw_mask >> 44) & 3) as u8
}

/// Returns the PSW mask with another condition code.
pub(crate) const fn with_condition_code(psw_mask: u64, cc: u8) -> u64 {
    psw_mask & !(3 << 44) | (cc as u64 & 3) << 44
}

/// Reads `length` bytes at a logical address, like the guest's own instructions.
///
/// A length of 0 reads no bytes. `None` means that a page of the range is missing.
pub(crate) fn read_logical(cpu: &dyn Cpu, address: u64, length: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    append_logical(cpu, address, length, &mut bytes).then_some(bytes)
}

/// Appends the bytes that [`read_logical`] reads. Returns false if a page of the range is missing.
pub(crate) fn append_logical(
    cpu: &dyn Cpu,
    address: u64,
    length: usize,
    out: &mut Vec<u8>,
) -> bool {
    if length == 0 {
        return true;
    }
    match cpu.psw_mask() {
        Some(mask) if mask & PSW_DAT != 0 => cpu.append_virtual(address, length, out),
        Some(_) => append_real(cpu, address, length, out).is_some(),
        None => false,
    }
}

/// Writes bytes at a logical address, like the guest's own instructions. Returns false if a page of the range
/// is missing.
pub(crate) fn write_logical(cpu: &mut dyn GuestCpu, address: u64, bytes: &[u8]) -> bool {
    match (cpu.psw_mask(), cpu.prefix()) {
        (Some(mask), _) if mask & PSW_DAT != 0 => cpu.write_virtual(address, bytes),
        (Some(_), Some(prefix)) => {
            let mut at = address;
            let mut left = bytes;
            while !left.is_empty() {
                let in_page = usize::try_from(PAGE - at % PAGE).unwrap_or(usize::MAX);
                let (piece, rest) = left.split_at(in_page.min(left.len()));
                if !cpu.write_absolute(real_to_absolute(at, prefix), piece) {
                    return false;
                }
                at = at.wrapping_add(piece.len() as u64);
                left = rest;
            }
            true
        }
        _ => false,
    }
}

/// Reads `length` bytes at a real address: with prefixing, without translation.
pub(crate) fn read_real(cpu: &dyn Cpu, address: u64, length: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    append_real(cpu, address, length, &mut bytes)?;
    Some(bytes)
}

fn append_real(cpu: &dyn Cpu, address: u64, length: usize, out: &mut Vec<u8>) -> Option<()> {
    let prefix = cpu.prefix()?;
    let mut left = length;
    let mut at = address;
    while left > 0 {
        let in_page = usize::try_from(PAGE - at % PAGE).ok()?;
        let piece = in_page.min(left);
        if !cpu.append_absolute(real_to_absolute(at, prefix), piece, out) {
            return None;
        }
        left -= piece;
        at = at.checked_add(piece as u64)?;
    }
    Some(())
}

/// Converts a real address to an absolute one by prefixing.
pub(crate) fn real_to_absolute(address: u64, prefix: u64) -> u64 {
    if address < PREFIX_AREA {
        prefix.wrapping_add(address)
    } else if address.wrapping_sub(prefix) < PREFIX_AREA {
        address.wrapping_sub(prefix)
    } else {
        address
    }
}

/// Returns the address of a storage operand, cut to the addressing mode of the PSW.
pub(crate) fn effective_address(cpu: &dyn Cpu, operand: StorageOperand) -> Option<u64> {
    let register = |gpr: Option<Gpr>| gpr.map_or(Some(0), |gpr| cpu.gpr(gpr));
    let sum = register(operand.base)?
        .wrapping_add(register(operand.index)?)
        .wrapping_add_signed(i64::from(operand.displacement));
    wrap_address(cpu, sum)
}

/// Cuts an address to the addressing mode of the PSW: 64, 31 or 24 bits.
pub(crate) fn wrap_address(cpu: &dyn Cpu, address: u64) -> Option<u64> {
    let mask = cpu.psw_mask()?;
    Some(if mask & PSW_EXTENDED_ADDRESSING != 0 {
        address
    } else if mask & PSW_BASIC_ADDRESSING != 0 {
        address & 0x7FFF_FFFF
    } else {
        address & 0x00FF_FFFF
    })
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
