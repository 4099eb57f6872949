// SPDX-License-Identifier: GPL-2.0-or-later
//! Defects in RPCIT, MPCIFC, STPCIFC and SIC, which QEMU executes: changes before, after, or instead.

use super::executed::{
    block_address, instruction, of, operation, problem, recode, restatus, set_status, stored,
};
use super::hook::{Defect, Hook, defects};
use super::undo::Ended;
use crate::cpu::{Cpu, read_logical};
use crate::decode::Instruction;
use crate::forward::ending::{ADDRESSING, Ending, OPERAND, ProgramException};
use crate::observe::Site;

/// Existing operations of MPCIFC.
const OPERATIONS: [u16; 9] = [2, 3, 4, 5, 6, 7, 8, 9, 10];
const REGISTER_INTERRUPTS: u16 = 2;
const REGISTER_TRANSLATION: u16 = 4;
const SET_MEASUREMENT: u16 = 10;
/// Offsets in a function information block: table, interrupt data, vectors, summary.
const FIB_IOTA: usize = 32;
const FIB_DATA: usize = 40;
const FIB_VECTOR: usize = 48;
const FIB_SUMMARY: usize = 56;
/// Offset of the measurement block's address.
const FIB_MEASUREMENT: usize = 64;

/// Returns the address of the function measurement block that an MPCIFC registers; 0 for none.
fn measurement_block(cpu: &dyn Cpu, site: &Site) -> Option<u64> {
    if operation(cpu, site)? != SET_MEASUREMENT {
        return None;
    }
    let address = block_address(cpu, site)?.checked_add(FIB_MEASUREMENT as u64)?;
    let bytes = read_logical(cpu, address, 8)?;
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

pub(crate) const DEFECTS: &[Defect] = defects![
    "rpcit-success-hidden",
    "RPCIT ends with condition code 1 although it worked",
    Hook::After(|cpu, record, ended| {
        of(record, "rpcit", || recode(cpu, record, ended, 0, 1));
    }),
    "rpcit-refusal-hidden",
    "RPCIT ends with condition code 0 although it failed",
    Hook::After(|cpu, record, ended| {
        of(record, "rpcit", || recode(cpu, record, ended, 1, 0));
    }),
    "rpcit-status-wrong",
    "status 16 if a range of RPCIT cannot be translated",
    Hook::After(|cpu, record, ended| {
        of(record, "rpcit", || restatus(cpu, record, ended, 8, 16));
    }),
    "rpcit-ignored",
    "RPCIT does nothing and ends with condition code 0",
    Hook::Instead(|cpu, site| match site.instruction {
        Instruction::RefreshTranslations { function, range }
            if range.number() % 2 == 0 && !problem(cpu) && cpu.gpr(function)? >> 63 == 1 =>
        {
            Some(Ending::Done)
        }
        _ => None,
    }),
    "rpcit-start-32-bits",
    "the start of RPCIT's range is cut to 32 bits",
    Hook::Before(|cpu, site, undo| {
        if let Instruction::RefreshTranslations { range, .. } = site.instruction {
            let start = cpu.gpr(range).unwrap_or_default() & 0xFFFF_FFFF;
            undo.register(cpu, range, start);
        }
    }),
    "rpcit-one-page-only",
    "RPCIT refreshes the first page of its range only",
    Hook::Before(|cpu, site, undo| {
        if let Instruction::RefreshTranslations { range, .. } = site.instruction {
            undo.register(cpu, range.next(), 4096);
        }
    }),
    "rpcit-range-advanced",
    "the range register of RPCIT is advanced to the end of the range",
    Hook::After(|cpu, record, ended| {
        if let (Some(Instruction::RefreshTranslations { range, .. }), Ended::Here) =
            (instruction(record), ended)
        {
            let end = cpu.gpr(range).zip(cpu.gpr(range.next()));
            let end = end.map_or(0, |(start, length)| start.wrapping_add(length));
            cpu.set_gpr(range, end);
        }
    }),
    "mpcifc-success-hidden",
    "MPCIFC ends with condition code 1 although it worked",
    Hook::After(|cpu, record, ended| {
        of(record, "mpcifc", || recode(cpu, record, ended, 0, 1));
    }),
    "mpcifc-refusal-hidden",
    "MPCIFC ends with condition code 0 although it was out of sequence",
    Hook::After(|cpu, record, ended| {
        of(record, "mpcifc", || recode(cpu, record, ended, 1, 0));
    }),
    "mpcifc-status-wrong",
    "status 16 if an MPCIFC is out of sequence",
    Hook::After(|cpu, record, ended| {
        of(record, "mpcifc", || restatus(cpu, record, ended, 24, 16));
    }),
    "mpcifc-status-on-success",
    "MPCIFC writes a status although it worked",
    Hook::After(|cpu, record, ended| {
        if let (Some(Instruction::ModifyControls { control, .. }), Some(0), Ended::Here) =
            (instruction(record), record.result.cc, ended)
        {
            set_status(cpu, control, 24);
        }
    }),
    "mpcifc-ignored",
    "MPCIFC does nothing and ends with condition code 0",
    Hook::Instead(|cpu, site| {
        let Instruction::ModifyControls { control, .. } = site.instruction else {
            return None;
        };
        (cpu.gpr(control)? >> 63 == 1 && !problem(cpu)).then_some(Ending::Done)
    }),
    "mpcifc-alignment-unchecked",
    "MPCIFC takes a block that is not at a doubleword, and does nothing with it",
    Hook::Instead(|cpu, site| {
        (!block_address(cpu, site)?.is_multiple_of(8)).then_some(Ending::Done)
    }),
    "mpcifc-format-unchecked",
    "MPCIFC does not check the format of its block",
    Hook::ControlBlock(0, |block| block[0] = 0),
    "mpcifc-operation-unchecked",
    "an operation of MPCIFC that does not exist ends with condition code 0",
    Hook::Instead(|cpu, site| {
        let operation = operation(cpu, site)?;
        (!OPERATIONS.contains(&operation)).then_some(Ending::Done)
    }),
    "mpcifc-space-unchecked",
    "MPCIFC does not check the DMA address space",
    Hook::Before(|cpu, site, undo| {
        if let Instruction::ModifyControls { control, .. } = site.instruction {
            let value = cpu.gpr(control).unwrap_or_default() & !0xFF_0000;
            undo.register(cpu, control, value);
        }
    }),
    "interrupts-of-other-subclass",
    "MPCIFC registers interrupts with another interruption subclass",
    Hook::ControlBlock(REGISTER_INTERRUPTS, |block| block[FIB_DATA] ^= 0x10),
    "interrupts-without-summary",
    "MPCIFC registers interrupts without their summary indicator",
    Hook::ControlBlock(REGISTER_INTERRUPTS, |block| block[FIB_DATA + 3] &= !0x80),
    "interrupt-vector-moved",
    "MPCIFC registers a vector of indicators 8 bytes after the right place",
    Hook::ControlBlock(REGISTER_INTERRUPTS, |block| block[FIB_VECTOR + 7] ^= 8),
    "interrupt-bit-moved",
    "MPCIFC registers the next bit of the vector of indicators",
    Hook::ControlBlock(REGISTER_INTERRUPTS, |block| block[FIB_DATA + 2] ^= 1),
    "summary-moved",
    "MPCIFC registers a summary indicator 8 bytes after the right place",
    Hook::ControlBlock(REGISTER_INTERRUPTS, |block| block[FIB_SUMMARY + 7] ^= 8),
    "summary-bit-moved",
    "MPCIFC registers the next bit of the summary indicators",
    Hook::ControlBlock(REGISTER_INTERRUPTS, |block| block[FIB_DATA + 3] ^= 1),
    "translation-of-other-table",
    "MPCIFC registers a translation table 16 KiB after the right place",
    Hook::ControlBlock(REGISTER_TRANSLATION, |block| block[FIB_IOTA + 6] ^= 0x40),
    "stpcifc-nothing",
    "STPCIFC stores nothing and ends with condition code 0",
    Hook::Instead(|cpu, site| match site.instruction {
        Instruction::StoreControls { control, .. }
            if cpu.gpr(control)? >> 63 == 1 && !problem(cpu) =>
        {
            Some(Ending::Done)
        }
        _ => None,
    }),
    "stpcifc-no-table",
    "STPCIFC stores 0 in the place of the translation table",
    Hook::After(|cpu, record, ended| stored(cpu, record, ended, FIB_IOTA, &[0; 8])),
    "stpcifc-no-interrupts",
    "STPCIFC stores 0 in the place of the interrupts",
    Hook::After(|cpu, record, ended| stored(cpu, record, ended, FIB_DATA, &[0; 24])),
    "stpcifc-no-controls",
    "STPCIFC stores 0 in the place of the function's state",
    Hook::After(|cpu, record, ended| stored(cpu, record, ended, 8, &[0; 8])),
    "stpcifc-window-wrong",
    "STPCIFC stores 0 in the place of the DMA window",
    Hook::After(|cpu, record, ended| stored(cpu, record, ended, 16, &[0; 16])),
    "stpcifc-too-long",
    "STPCIFC stores 8 bytes after the block",
    Hook::After(|cpu, record, ended| stored(cpu, record, ended, 80, &[0; 8])),
    "measurement-ignored",
    "MPCIFC registers no function measurement block and ends with condition code 0",
    Hook::Instead(|cpu, site| {
        let block = measurement_block(cpu, site)?;
        (block != 0 && block.is_multiple_of(16)).then_some(Ending::Done)
    }),
    "measurement-never-off",
    "MPCIFC keeps a function measurement block that the guest unregisters",
    Hook::Instead(|cpu, site| (measurement_block(cpu, site)? == 0).then_some(Ending::Done)),
    "measurement-moved",
    "MPCIFC registers a function measurement block 64 bytes after the right place",
    Hook::ControlBlock(SET_MEASUREMENT, |block| {
        let mut address = [0; 8];
        address.copy_from_slice(&block[FIB_MEASUREMENT..FIB_MEASUREMENT + 8]);
        let moved = u64::from_be_bytes(address).wrapping_add(64);
        block[FIB_MEASUREMENT..FIB_MEASUREMENT + 8].copy_from_slice(&moved.to_be_bytes());
    }),
    "measurement-alignment-unchecked",
    "MPCIFC takes a function measurement block at an address that is no multiple of 16",
    Hook::ControlBlock(SET_MEASUREMENT, |block| block[FIB_MEASUREMENT + 7] &= 0xF0),
    "control-fault-left-to-qemu",
    "QEMU itself executes MPCIFC and STPCIFC whose block cannot be reached",
    Hook::Refuse(|_| None),
    "control-fault-ignored",
    "MPCIFC and STPCIFC whose block cannot be reached end with condition code 0",
    Hook::Refuse(|_| Some(Ending::Done)),
    "control-fault-as-addressing",
    "an addressing exception if the block of an MPCIFC or STPCIFC cannot be reached",
    Hook::Refuse(|_| Some(Ending::Exception(ADDRESSING))),
    "control-fault-as-operand",
    "an operand exception if the block of an MPCIFC or STPCIFC cannot be reached",
    Hook::Refuse(|_| Some(Ending::Exception(OPERAND))),
    "control-fault-suppresses",
    "the old PSW is after an MPCIFC or STPCIFC whose page is missing",
    Hook::Refuse(|ending| match ending {
        Ending::Exception(exception) => Some(Ending::Exception(ProgramException::suppressing(
            exception.code,
        ))),
        other => Some(other),
    }),
    "sic-ignored",
    "SIC does nothing",
    Hook::Instead(|cpu, site| {
        let sic = matches!(
            site.instruction,
            Instruction::SetInterruptionControls { .. }
        );
        (sic && !problem(cpu)).then_some(Ending::Done)
    }),
];
