// SPDX-License-Identifier: GPL-2.0-or-later
//! A vCPU for tests, made of plain values.

use super::{Cpu, GuestCpu};
use crate::decode::Gpr;

/// PSW mask: 64-bit addressing with translation.
pub(crate) const PSW_64_DAT: u64 = 1 << 58 | 1 << 32 | 1 << 31;

/// A vCPU whose virtual and absolute memory are two flat arrays that start at address 0.
pub(crate) struct FakeCpu {
    pub gprs: [u64; 16],
    pub controls: [u64; 16],
    /// The PSW mask.
    pub mask: u64,
    pub prefix: u64,
    /// Virtual memory from address 0.
    pub virtual_memory: Vec<u8>,
    /// Absolute memory from address 0.
    pub absolute_memory: Vec<u8>,
}

impl Default for FakeCpu {
    fn default() -> Self {
        Self {
            gprs: [0; 16],
            controls: [0; 16],
            mask: PSW_64_DAT,
            prefix: 0x8000,
            virtual_memory: vec![0; 0x4000],
            absolute_memory: vec![0; 0x10000],
        }
    }
}

impl FakeCpu {
    /// Sets the condition code in the PSW mask.
    pub(crate) fn set_cc(&mut self, cc: u8) {
        self.mask = self.mask & !(3 << 44) | u64::from(cc) << 44;
    }

    /// Writes into the lowcore, at a real address below 8 KiB.
    pub(crate) fn write_lowcore(&mut self, offset: usize, bytes: &[u8]) {
        let at = usize::try_from(self.prefix).unwrap() + offset;
        self.absolute_memory[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

fn append(memory: &[u8], address: u64, length: usize, out: &mut Vec<u8>) -> bool {
    assert!(length > 0, "QEMU wants at least one byte");
    let found = usize::try_from(address)
        .ok()
        .and_then(|start| memory.get(start..start.checked_add(length)?));
    out.extend_from_slice(found.unwrap_or_default());
    found.is_some()
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

    fn append_virtual(&self, address: u64, length: usize, out: &mut Vec<u8>) -> bool {
        append(&self.virtual_memory, address, length, out)
    }

    fn append_absolute(&self, address: u64, length: usize, out: &mut Vec<u8>) -> bool {
        append(&self.absolute_memory, address, length, out)
    }
}

impl GuestCpu for FakeCpu {
    fn control(&self, number: u8) -> Option<u64> {
        self.controls.get(usize::from(number)).copied()
    }

    fn set_gpr(&mut self, register: Gpr, value: u64) -> bool {
        self.gprs[usize::from(register.number())] = value;
        true
    }

    fn set_psw_mask(&mut self, mask: u64) -> bool {
        self.mask = mask;
        true
    }

    fn write_absolute(&mut self, address: u64, bytes: &[u8]) -> bool {
        write(&mut self.absolute_memory, address, bytes)
    }

    fn write_virtual(&mut self, address: u64, bytes: &[u8]) -> bool {
        write(&mut self.virtual_memory, address, bytes)
    }
}

fn write(memory: &mut [u8], address: u64, bytes: &[u8]) -> bool {
    let at = usize::try_from(address).unwrap();
    let place = memory.get_mut(at..at + bytes.len());
    place.map(|place| place.copy_from_slice(bytes)).is_some()
}
