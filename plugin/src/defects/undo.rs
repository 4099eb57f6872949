// SPDX-License-Identifier: GPL-2.0-or-later
//! Changes operands while QEMU executes an instruction, and restores them afterwards.

use crate::cpu::{GuestCpu, read_logical, write_logical};
use crate::decode::Gpr;
use records::instruction::Record;

/// Mask of the status in the register of an instruction that failed.
const STATUS: u64 = 0xFF00_0000;

/// The guest's position when the outcome of an instruction is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The guest is at the next instruction, with its own registers and PSW.
    Here,
    /// The guest is in the handler of an exception or interruption.
    InHandler,
}

/// The operands to restore after QEMU has executed an instruction.
#[derive(Debug, Default)]
pub(crate) struct Undo {
    registers: Vec<(Gpr, u64)>,
    memory: Vec<(u64, Vec<u8>)>,
}

impl Undo {
    /// Changes a register until the instruction has ended.
    pub(crate) fn register(&mut self, cpu: &mut dyn GuestCpu, register: Gpr, value: u64) {
        if let Some(before) = cpu.gpr(register) {
            self.registers.push((register, before));
            cpu.set_gpr(register, value);
        }
    }

    /// Changes guest memory at a logical address until the instruction has ended.
    pub(crate) fn memory(&mut self, cpu: &mut dyn GuestCpu, address: u64, bytes: &[u8]) {
        if let Some(before) = read_logical(cpu, address, bytes.len()) {
            self.memory.push((address, before));
            write_logical(cpu, address, bytes);
        }
    }

    /// Restores the changes once the instruction of `record` has ended.
    pub(super) fn restore(self, cpu: &mut dyn GuestCpu, record: &Record, ended: Ended) {
        for (register, before) in self.registers {
            // The status that the instruction wrote there stays.
            let status = match (ended, record.result.status) {
                (Ended::Here, Some(_)) => cpu.gpr(register).unwrap_or_default() & STATUS,
                _ => before & STATUS,
            };
            cpu.set_gpr(register, before & !STATUS | status);
        }
        for (address, before) in self.memory {
            write_logical(cpu, address, &before);
        }
    }
}
