// SPDX-License-Identifier: GPL-2.0-or-later
//! Common parts of the defects in instructions that QEMU executes.

use super::undo::{Ended, Undo};
use crate::cpu::{
    Cpu, GuestCpu, effective_address, read_logical, with_condition_code, write_logical,
};
use crate::decode::{Gpr, Instruction};
use crate::forward::access::PSW_PROBLEM;
use crate::observe::Site;
use records::instruction::{Hex, Record};

/// Number of the address space of configuration space.
pub(crate) const CONFIG: u8 = 15;

/// Mask of the status in an instruction's register.
const STATUS: u64 = 0xFF00_0000;
const STATUS_SHIFT: u32 = 24;

/// Writes a status byte into a register.
pub(crate) fn set_status(cpu: &mut dyn GuestCpu, register: Gpr, status: u8) {
    if let Some(before) = cpu.gpr(register) {
        let status = u64::from(status) << STATUS_SHIFT;
        cpu.set_gpr(register, before & !STATUS | status);
    }
}

/// Writes bytes into the lowcore.
pub(crate) fn put_lowcore(cpu: &mut dyn GuestCpu, at: u64, bytes: &[u8]) {
    if let Some(prefix) = cpu.prefix() {
        cpu.write_absolute(prefix.wrapping_add(at), bytes);
    }
}

/// True if the CPU is in problem state.
pub(crate) fn problem(cpu: &dyn Cpu) -> bool {
    cpu.psw_mask().is_some_and(|mask| mask & PSW_PROBLEM != 0)
}

/// True for an instruction that controls a function.
pub(crate) fn is_control(site: &Site) -> bool {
    matches!(
        site.instruction,
        Instruction::RefreshTranslations { .. }
            | Instruction::ModifyControls { .. }
            | Instruction::StoreControls { .. }
    )
}

/// True for a load or store.
pub(crate) fn is_access(record: &Record) -> bool {
    ["pcistb", "pcistg", "pcilg"].contains(&&*record.insn)
}

/// Returns the request register of a load or store.
pub(crate) fn request(cpu: &dyn Cpu, site: &Site) -> Option<u64> {
    match site.instruction {
        Instruction::StoreBlock { request, .. }
        | Instruction::Store { request, .. }
        | Instruction::Load { request, .. } => cpu.gpr(request),
        _ => None,
    }
}

/// Returns the instruction of a record.
pub(crate) fn instruction(record: &Record) -> Option<Instruction> {
    Instruction::decode(&record.opcode.0)
}

/// Calls `change` if the record is of this instruction.
pub(crate) fn of(record: &Record, mnemonic: &str, change: impl FnOnce()) {
    if record.insn == mnemonic {
        change();
    }
}

/// Replaces one condition code by another.
pub(crate) fn recode(cpu: &mut dyn GuestCpu, record: &Record, ended: Ended, due: u8, given: u8) {
    if (record.result.cc, ended) == (Some(due), Ended::Here)
        && let Some(mask) = cpu.psw_mask()
    {
        cpu.set_psw_mask(with_condition_code(mask, given));
    }
}

/// Returns the register with the status of an instruction.
pub(crate) fn status_register(record: &Record) -> Option<Gpr> {
    match instruction(record)? {
        Instruction::StoreBlock { request, .. }
        | Instruction::Store { request, .. }
        | Instruction::Load { request, .. } => Some(request),
        Instruction::RefreshTranslations { function, .. } => Some(function),
        Instruction::ModifyControls { control, .. }
        | Instruction::StoreControls { control, .. } => Some(control),
        _ => None,
    }
}

/// Replaces one status by another.
pub(crate) fn restatus(cpu: &mut dyn GuestCpu, record: &Record, ended: Ended, due: u8, given: u8) {
    if (record.result.status, ended) == (Some(due), Ended::Here)
        && let Some(register) = status_register(record)
    {
        set_status(cpu, register, given);
    }
}

/// Returns the register of a successful load from configuration space, and the number of bits.
pub(crate) fn config_load(record: &Record, ended: Ended) -> Option<(Gpr, u32)> {
    let length = record
        .operands
        .length
        .filter(|length| (1..=8).contains(length))?;
    match instruction(record)? {
        Instruction::Load { result, .. }
            if record.operands.pcias == Some(CONFIG)
                && (record.result.cc, ended) == (Some(0), Ended::Here) =>
        {
            Some((result, 8 * length as u32))
        }
        _ => None,
    }
}

/// Returns the address of the function information block of an MPCIFC.
pub(crate) fn block_address(cpu: &dyn Cpu, site: &Site) -> Option<u64> {
    match site.instruction {
        Instruction::ModifyControls { block, .. } if !problem(cpu) => effective_address(cpu, block),
        _ => None,
    }
}

/// Returns the operation of an MPCIFC.
pub(crate) fn operation(cpu: &dyn Cpu, site: &Site) -> Option<u16> {
    match site.instruction {
        Instruction::ModifyControls { control, .. } if !problem(cpu) => {
            cpu.gpr(control).map(|value| (value & 0xFF) as u16)
        }
        _ => None,
    }
}

/// Changes the block of an MPCIFC of this operation (0 for any) until the instruction has ended.
pub(crate) fn change_block(
    cpu: &mut dyn GuestCpu,
    site: &Site,
    undo: &mut Undo,
    wanted: u16,
    change: fn(&mut [u8; 80]),
) {
    let due = operation(cpu, site).is_some_and(|operation| wanted == 0 || operation == wanted);
    let Some(address) = block_address(cpu, site).filter(|_| due) else {
        return;
    };
    let block = read_logical(cpu, address, 80).and_then(|block| block.try_into().ok());
    if let Some(mut block) = block {
        change(&mut block);
        undo.memory(cpu, address, &block);
    }
}

/// Changes the block of a successful STPCIFC, at an offset.
pub(crate) fn stored(
    cpu: &mut dyn GuestCpu,
    record: &Record,
    ended: Ended,
    at: usize,
    bytes: &[u8],
) {
    if let (true, Some(Hex(address)), Some(0), Ended::Here) = (
        record.insn == "stpcifc",
        record.operands.address,
        record.result.cc,
        ended,
    ) {
        write_logical(cpu, address.wrapping_add(at as u64), bytes);
    }
}
