// SPDX-License-Identifier: GPL-2.0-or-later
//! What the observer asks of a vCPU.

use crate::decode::{Gpr, StorageOperand};

/// PSW mask bit 5: dynamic address translation.
const PSW_DAT: u64 = 1 << 58;
/// PSW mask bit 31: extended addressing, 64-bit together with [`PSW_BASIC_ADDRESSING`].
const PSW_EXTENDED_ADDRESSING: u64 = 1 << 32;
/// PSW mask bit 32: basic addressing, 31-bit alone.
const PSW_BASIC_ADDRESSING: u64 = 1 << 31;
/// The prefix area: absolute and real addresses of these many bytes trade places.
const PREFIX_AREA: u64 = 0x2000;
/// Reads are cut here: no translation is finer.
const PAGE: u64 = 0x1000;

/// Registers and memory of the vCPU that runs the calling callback.
///
/// Every method returns `None` when QEMU cannot tell.
pub trait Cpu {
    /// General register.
    fn gpr(&self, register: Gpr) -> Option<u64>;
    /// Left half of the PSW, with the condition code in bits 18 and 19.
    fn psw_mask(&self) -> Option<u64>;
    /// Prefix register: the absolute address of the lowcore.
    fn prefix(&self) -> Option<u64>;
    /// `length` bytes (at least 1) at a virtual address, through the current translation.
    fn read_virtual(&self, address: u64, length: usize) -> Option<Vec<u8>>;
    /// `length` bytes (at least 1) at an absolute address.
    fn read_absolute(&self, address: u64, length: usize) -> Option<Vec<u8>>;
}

/// Condition code of a PSW mask, 0 to 3.
#[must_use]
pub fn condition_code(psw_mask: u64) -> u8 {
    ((psw_mask >> 44) & 3) as u8
}

/// Reads `length` bytes at a logical address, as the guest's own instructions would.
///
/// An empty read gives no bytes; `None` means that a page of the range is not there.
pub fn read_logical(cpu: &dyn Cpu, address: u64, length: usize) -> Option<Vec<u8>> {
    if length == 0 {
        return Some(Vec::new());
    }
    if cpu.psw_mask()? & PSW_DAT != 0 {
        return cpu.read_virtual(address, length);
    }
    read_real(cpu, address, length)
}

/// Reads `length` bytes at a real address: prefixing applies, translation does not.
pub fn read_real(cpu: &dyn Cpu, address: u64, length: usize) -> Option<Vec<u8>> {
    let prefix = cpu.prefix()?;
    let mut bytes = Vec::with_capacity(length);
    let mut at = address;
    while bytes.len() < length {
        let in_page = usize::try_from(PAGE - at % PAGE).ok()?;
        let piece = in_page.min(length - bytes.len());
        bytes.extend(cpu.read_absolute(real_to_absolute(at, prefix), piece)?);
        at = at.checked_add(piece as u64)?;
    }
    Some(bytes)
}

/// Applies prefixing to a real address.
#[must_use]
pub fn real_to_absolute(address: u64, prefix: u64) -> u64 {
    if address < PREFIX_AREA {
        prefix.wrapping_add(address)
    } else if address.wrapping_sub(prefix) < PREFIX_AREA {
        address.wrapping_sub(prefix)
    } else {
        address
    }
}

/// Address of a storage operand, cut to the addressing mode of the PSW.
pub fn effective_address(cpu: &dyn Cpu, operand: StorageOperand) -> Option<u64> {
    let register = |gpr: Option<Gpr>| gpr.map_or(Some(0), |gpr| cpu.gpr(gpr));
    let sum = register(operand.base)?
        .wrapping_add(register(operand.index)?)
        .wrapping_add_signed(i64::from(operand.displacement));
    wrap_address(cpu, sum)
}

/// Cuts an address to the addressing mode of the PSW: 64, 31 or 24 bits.
pub fn wrap_address(cpu: &dyn Cpu, address: u64) -> Option<u64> {
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
pub mod fake;
#[cfg(test)]
mod tests;
