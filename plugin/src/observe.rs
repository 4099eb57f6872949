// SPDX-License-Identifier: GPL-2.0-or-later
//! Follows an instruction on one vCPU from its start to its outcome.
//!
//! The outcome of an instruction is read at the first of these events:
//! - The next instruction in storage is about to execute: condition code, status and loaded values are in the
//!   registers.
//! - A program exception is reported for the instruction's own address: its code is in the lowcore.
//! - An interruption is taken at the next instruction's address: the registers still hold the results, but
//!   the PSW is already the handler's, so the condition code comes from the old PSW in the lowcore.

use crate::cpu::{Cpu, condition_code, read_logical, read_real};
use crate::decode::{Gpr, Instruction};
use crate::operands::{FIB_LENGTH, read_clp_response, read_operands};
use records::instruction::{Exception, Hex, HexBytes, InstructionResult, Outcome, Record};

/// Real address of the program interruption code (Principles of Operation, assigned storage).
const PROGRAM_CODE: u64 = 0x8E;
/// Real address of the first old PSW (restart); five more follow, 16 bytes each.
const OLD_PSWS: u64 = 0x120;
/// Bytes of the old PSWs: restart, external, SVC, program, machine check, I/O.
const OLD_PSWS_LENGTH: usize = 0x60;
/// Distance from an old PSW to its new PSW.
const NEW_PSW_DISTANCE: usize = 0x80;
/// Bit of a program interruption code: a PER event was recognized too.
const PER_EVENT: u16 = 0x80;

/// A place in guest code with a zPCI instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    /// Virtual address of the instruction.
    pub address: u64,
    /// Bytes of the instruction.
    pub opcode: Vec<u8>,
    pub instruction: Instruction,
}

impl Site {
    /// Address of the next instruction in storage.
    pub(crate) fn next_address(&self) -> u64 {
        self.address
            .wrapping_add(u64::from(self.instruction.size()))
    }
}

/// The cause of a discontinuity in a vCPU's flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discontinuity {
    /// The instruction at the old address caused it.
    Exception,
    /// It came from outside, before the instruction at the old address.
    Interrupt,
}

#[derive(Debug)]
struct Pending {
    site: Site,
    record: Record,
}

/// The instruction in progress on one vCPU, if any.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    pending: Option<Pending>,
}

impl Observer {
    /// True if the outcome of an instruction is still to be seen.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Reads the operands of the instruction at `site`, which is about to execute.
    ///
    /// Call [`Observer::reached`] first: an earlier instruction without an outcome is forgotten.
    pub(crate) fn begin(&mut self, cpu: &dyn Cpu, site: &Site, vcpu: u32, seq: u64) {
        let record = Record {
            seq,
            vcpu,
            insn: site.instruction.mnemonic().into(),
            opcode: HexBytes(site.opcode.clone()),
            psw_addr: Hex(site.address),
            operands: read_operands(cpu, &site.instruction),
            result: InstructionResult::unseen(),
            forwarded: false,
        };
        self.pending = Some(Pending {
            site: site.clone(),
            record,
        });
    }

    /// Handles that the vCPU is about to execute the instruction at `address`.
    pub(crate) fn reached(&mut self, cpu: &dyn Cpu, address: u64) -> Option<Record> {
        let pending = self.pending.take()?;
        if address != pending.site.next_address() {
            return Some(pending.record);
        }
        Some(pending.complete(cpu, cpu.psw_mask()))
    }

    /// Handles that the vCPU left the instruction at `from` for the one at `to`.
    pub(crate) fn discontinued(
        &mut self,
        cpu: &dyn Cpu,
        kind: Discontinuity,
        from: u64,
        to: u64,
    ) -> Option<Record> {
        let mut pending = self.pending.take()?;
        if from == pending.site.next_address() {
            let mask = old_psw_mask(cpu, from, to);
            return Some(pending.complete(cpu, mask));
        }
        if from == pending.site.address && kind == Discontinuity::Exception {
            let code = read_real(cpu, PROGRAM_CODE, 2)
                .and_then(|bytes| <[u8; 2]>::try_from(bytes).ok())
                .map(|bytes| u16::from_be_bytes(bytes) & !PER_EVENT);
            pending.record.result.outcome = Outcome::Exception;
            pending.record.result.exception = Some(Exception::new(code));
        }
        Some(pending.record)
    }

    /// Ends the observation, because the guest is gone.
    pub(crate) fn abandon(&mut self) -> Option<Record> {
        self.pending.take().map(|pending| pending.record)
    }
}

impl Pending {
    fn complete(self, cpu: &dyn Cpu, psw_mask: Option<u64>) -> Record {
        let Self { site, mut record } = self;
        let instruction = site.instruction;
        let cc = psw_mask
            .filter(|_| instruction.sets_condition_code())
            .map(condition_code);
        let status_register = status_register(&instruction);
        record.result = InstructionResult {
            outcome: Outcome::Completed,
            cc,
            status: status_register
                .filter(|_| matches!(cc, Some(1 | 2)))
                .and_then(|register| cpu.gpr(register))
                .map(|value| ((value >> 24) & 0xFF) as u8),
            value: None,
            exception: None,
        };
        if cc == Some(0) {
            read_results(cpu, &instruction, &mut record);
        }
        record
    }
}

/// Reads the results of a successful instruction.
fn read_results(cpu: &dyn Cpu, instruction: &Instruction, record: &mut Record) {
    let Record {
        operands, result, ..
    } = record;
    let address = operands.address.map(|address| address.0);
    match *instruction {
        Instruction::Load {
            result: register, ..
        }
        | Instruction::LoadMio {
            result: register, ..
        } => {
            result.value = cpu.gpr(register).map(Hex);
        }
        Instruction::StoreControls { .. } => {
            operands.bytes = address
                .and_then(|at| read_logical(cpu, at, FIB_LENGTH))
                .map(HexBytes);
        }
        Instruction::CallLogicalProcessor {
            result: register,
            query,
            ..
        } => {
            if query & 8 != 0 {
                result.value = cpu.gpr(register).map(Hex);
            } else if let (Some(at), Some(request)) = (address, &operands.clp_request) {
                operands.clp_response = read_clp_response(cpu, at, request.0.len()).map(HexBytes);
            }
        }
        _ => {}
    }
}

/// Returns the register that receives the status in bits 24 to 31 from the right.
fn status_register(instruction: &Instruction) -> Option<Gpr> {
    match *instruction {
        Instruction::StoreBlock { request, .. }
        | Instruction::Store { request, .. }
        | Instruction::Load { request, .. } => Some(request),
        Instruction::RefreshTranslations { function, .. } => Some(function),
        Instruction::StoreBlockMio { length, .. } => Some(length),
        Instruction::StoreMio { io_address, .. } | Instruction::LoadMio { io_address, .. } => {
            Some(io_address.next())
        }
        Instruction::ModifyControls { control, .. }
        | Instruction::StoreControls { control, .. } => Some(control),
        Instruction::WriteBarrier
        | Instruction::SetInterruptionControls { .. }
        | Instruction::CallLogicalProcessor { .. } => None,
    }
}

/// Returns the mask of the old PSW of the interruption that led from `from` to `to`.
fn old_psw_mask(cpu: &dyn Cpu, from: u64, to: u64) -> Option<u64> {
    let psws = read_real(cpu, OLD_PSWS, OLD_PSWS_LENGTH + NEW_PSW_DISTANCE)?;
    let doubleword = |at: usize| {
        let bytes = psws.get(at..at + 8)?;
        <[u8; 8]>::try_from(bytes).ok().map(u64::from_be_bytes)
    };
    (0..OLD_PSWS_LENGTH)
        .step_by(16)
        .find(|&old| {
            doubleword(old + 8) == Some(from) && doubleword(old + NEW_PSW_DISTANCE + 8) == Some(to)
        })
        .and_then(doubleword)
}

#[cfg(test)]
mod tests;
