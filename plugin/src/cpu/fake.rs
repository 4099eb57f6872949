// SPDX-License-Identifier: GPL-2.0-or-later
//! A vCPU made of plain values.

use super::Cpu;
use crate::decode::Gpr;

/// 64-bit addressing with translation on.
pub const PSW_64_DAT: u64 = 1 << 58 | 1 << 32 | 1 << 31;

/// Virtual and absolute memory are two flat arrays that start at address 0.
pub struct FakeCpu {
    /// General registers.
    pub gprs: [u64; 16],
    /// PSW mask.
    pub mask: u64,
    /// Prefix register.
    pub prefix: u64,
    /// Virtual memory.
    pub virtual_memory: Vec<u8>,
    /// Absolute memory.
    pub absolute_memory: Vec<u8>,
}

impl Default for FakeCpu {
    fn default() -> Self {
        Self {
            gprs: [0; 16],
            mask: PSW_64_DAT,
            prefix: 0x8000,
            virtual_memory: vec![0; 0x4000],
            absolute_memory: vec![0; 0x10000],
        }
    }
}

impl FakeCpu {
    /// Sets the condition code.
    pub fn set_cc(&mut self, cc: u8) {
        self.mask = self.mask & !(3 << 44) | u64::from(cc) << 44;
    }

    /// Writes into the lowcore, at a real address below 8 KiB.
    pub fn write_lowcore(&mut self, offset: usize, bytes: &[u8]) {
        let at = usize::try_from(self.prefix).unwrap() + offset;
        self.absolute_memory[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

fn read(memory: &[u8], address: u64, length: usize) -> Option<Vec<u8>> {
    assert!(length > 0, "QEMU wants at least one byte");
    let start = usize::try_from(address).ok()?;
    memory
        .get(start..start.checked_add(length)?)
        .map(<[u8]>::to_vec)
}

impl Cpu for FakeCpu {
    fn gpr(&self, register: Gpr) -> Option<u64> {
        self.gprs.get(usize::from(register.number())).copied()
    }

    fn psw_mask(&self) -> Option<u64> {
        Some(self.mask)
    }

    fn prefix(&self) -> Option<u64> {
        Some(self.prefix)
    }

    fn read_virtual(&self, address: u64, length: usize) -> Option<Vec<u8>> {
        read(&self.virtual_memory, address, length)
    }

    fn read_absolute(&self, address: u64, length: usize) -> Option<Vec<u8>> {
        read(&self.absolute_memory, address, length)
    }
}
