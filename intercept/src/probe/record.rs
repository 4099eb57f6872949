//! One instruction, in the form that the probe's loop reads.

use super::clp;
use super::layout::{
    INDICATORS, ISC, MAILBOX, PSW_64, PSW_DAT, PSW_PROBLEM, PSW_SPACE, area, function_area,
    variable,
};
use crate::plan::{Base, Case, Handle, Instruction, Only, Patch, Payload, Variable};
use s390x_asm::{Assembler, Gr, zpci};

/// Condition code 2 in a PSW mask. No case expects it.
const PSW_CONDITION: u64 = 2 << 44;

/// Bytes per record.
pub(super) const SIZE: usize = 192;

/// Field offsets, as the machine code uses them.
pub(super) mod field {
    /// Low part of the request register.
    pub(crate) const REQUEST: i32 = 0;
    /// A mask of handle bits to keep (32 bits), then a mask of handle bits to invert (32 bits).
    pub(crate) const HANDLE_KEEP: i32 = 8;
    /// The second mask.
    pub(crate) const HANDLE_FLIP: i32 = 12;
    /// Offset.
    pub(crate) const OFFSET: i32 = 16;
    /// Address of the value to add to the offset.
    pub(crate) const BASE: i32 = 24;
    /// Address of the block. For an RPCIT, the start of the range.
    pub(crate) const SOURCE: i32 = 32;
    /// Length of an RPCIT.
    pub(crate) const EXTRA: i32 = 40;
    /// Value of the register to store.
    pub(crate) const DATA: i32 = 48;
    /// Address of the value to add to it.
    pub(crate) const DATA_BASE: i32 = 56;
    /// Destination of eight patched bytes before the instruction, or zero.
    pub(crate) const PATCH_TO: i32 = 64;
    /// Source of the patched bytes.
    pub(crate) const PATCH_FROM: i32 = 72;
    /// Destination of the loaded register, or zero.
    pub(crate) const SAVE_TO: i32 = 80;
    /// Address of the value that decides whether the record runs, or zero.
    pub(crate) const CONDITION: i32 = 88;
    /// The value to compare it with.
    pub(crate) const CONDITION_VALUE: i32 = 96;
    /// See [`super::flag`].
    pub(crate) const FLAGS: i32 = 104;
    /// The instruction, then a supervisor call.
    pub(crate) const STUB: i32 = 112;
    /// Address of the function's handle.
    pub(crate) const HANDLE_FROM: i32 = 128;
    /// PSW mask of the instruction.
    pub(crate) const PSW_MASK: i32 = 136;
    /// A value to add to the patched bytes.
    pub(crate) const PATCH_ADD: i32 = 144;
    /// Source of the doubleword to save, or zero for register 6.
    pub(crate) const SAVE_FROM: i32 = 152;
    /// Address of the function's interrupt vector.
    pub(crate) const VECTOR: i32 = 160;
}

/// Bits of [`field::FLAGS`].
pub(super) mod flag {
    /// Load from config space first. The load marks the start of this instruction in the device's record.
    pub(crate) const FENCE: u64 = 1;
    /// Run if the condition holds.
    pub(crate) const IF_EQUAL: u64 = 2;
    /// Run unless the condition holds.
    pub(crate) const UNLESS_EQUAL: u64 = 4;
    /// First take and forget pending interrupts.
    pub(crate) const CLEAR_INTERRUPTS: u64 = 8;
    /// Wait for an adapter interrupt afterwards.
    pub(crate) const AWAIT_INTERRUPT: u64 = 16;
    /// Wait for an update of the function measurement block afterwards.
    pub(crate) const AWAIT_MEASUREMENT: u64 = 32;
}

/// The response header of a successful READ_GID: command, return code 0, length 16.
pub(super) const READ_GID_WORKED: u64 = (3 << 32) | 16;

/// One record.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub request: u64,
    pub handle_keep: u32,
    pub handle_flip: u32,
    pub offset: u64,
    pub base: u64,
    pub source: u64,
    pub extra: u64,
    pub data: u64,
    pub data_base: u64,
    pub patch_to: u64,
    pub patch_from: u64,
    pub save_to: u64,
    pub condition: u64,
    pub condition_value: u64,
    pub flags: u64,
    pub stub: Vec<u8>,
    pub handle_from: u64,
    pub psw_mask: u64,
    pub patch_add: u64,
    pub save_from: u64,
    pub vector: u64,
}

const ZERO: u64 = MAILBOX + variable::ZERO;

impl Default for Record {
    fn default() -> Self {
        Self {
            request: 0,
            handle_keep: u32::MAX,
            handle_flip: 0,
            offset: 0,
            base: ZERO,
            source: 0,
            extra: 0,
            data: 0,
            data_base: ZERO,
            patch_to: 0,
            patch_from: ZERO,
            save_to: 0,
            condition: 0,
            condition_value: 0,
            flags: 0,
            stub: Vec::new(),
            handle_from: function_area(0) + area::HANDLE,
            psw_mask: PSW_64,
            patch_add: 0,
            save_from: 0,
            vector: INDICATORS,
        }
    }
}

/// The instruction with the registers that the loop fills: request 2, offset 3, block 4, extra 5, data 6.
fn stub(case: &Case) -> Vec<u8> {
    let odd = case.odd_register;
    let pair = if odd { Gr::R3 } else { Gr::R2 };
    let displacement = case.block_displacement();
    let mut code = Assembler::new();
    match case.instruction {
        Instruction::Pcistb => code.emit(&zpci::pcistb(Gr::R2, Gr::R3, displacement, Gr::R4)),
        Instruction::Pcistg => code.emit(&zpci::pcistg(Gr::R6, pair)),
        Instruction::Pcilg => code.emit(&zpci::pcilg(Gr::R6, pair)),
        Instruction::Pcistbi => code.emit(&zpci::pcistbi(Gr::R2, Gr::R3, displacement, Gr::R4)),
        Instruction::Pcistgi => code.emit(&zpci::pcistgi(Gr::R6, Gr::R2)),
        Instruction::Pcilgi => code.emit(&zpci::pcilgi(Gr::R6, Gr::R2)),
        Instruction::Pciwb => code.emit(&zpci::pciwb()),
        Instruction::Rpcit => {
            code.emit(&zpci::rpcit(Gr::R2, if odd { Gr::R5 } else { Gr::R4 }));
        }
        Instruction::Mpcifc => code.emit(&zpci::mpcifc(Gr::R2, displacement, Gr::R4)),
        Instruction::Stpcifc => code.emit(&zpci::stpcifc(Gr::R2, displacement, Gr::R4)),
        Instruction::Clp => code.emit(&zpci::clp(Gr::R4)),
        Instruction::Sic => code.emit(&zpci::sic(Gr::R2, Gr::R3, displacement, Gr::R4)),
        Instruction::Chsc => code.emit(&zpci::chsc(Gr::R4)),
    }
    code.svc(0);
    code.finish().unwrap_or_default()
}

fn address_of(variable: Variable, function: usize) -> u64 {
    let area = function_area(function);
    match variable {
        Variable::Gid => area + area::GID,
        Variable::Token => area + area::TOKEN,
        Variable::Saved => MAILBOX + variable::SAVED,
        Variable::Handle => area + area::HANDLE,
        Variable::Group => area + area::GROUP,
    }
}

fn psw_mask(case: &Case) -> u64 {
    let problem = if case.problem_state { PSW_PROBLEM } else { 0 };
    let space = case
        .translation
        .control()
        .map_or(0, |control| PSW_DAT | (u64::from(control) << PSW_SPACE));
    // This value is wrong, so an instruction that must set the condition code cannot leave it unchanged.
    let condition = match case.instruction {
        Instruction::Sic | Instruction::Pciwb => 0,
        _ => PSW_CONDITION,
    };
    PSW_64 | problem | space | condition
}

/// The payload's bytes at the patched place, after a handle or a group.
fn kept(case: &Case, patch: Patch) -> u64 {
    match (&case.payload, patch.value) {
        (Payload::Bytes(bytes), Variable::Handle | Variable::Group) => {
            super::fib::word(bytes, patch.at) & 0xffff_ffff
        }
        _ => 0,
    }
}

impl Record {
    /// The record of one case. `tag` is its index in the plan, `block` the address of its block, and
    /// `payload` the real address of the block's first byte.
    pub(super) fn of_case(case: &Case, tag: u32, block: u64, payload: u64) -> Self {
        let function = usize::from(case.function);
        let own = function_area(function);
        let (handle_keep, handle_flip) = match case.handle {
            Handle::Enabled => (u32::MAX, 0),
            Handle::Disabled => (0x7fff_ffff, 0),
            Handle::Unknown => (u32::MAX, 0x0000_5a5a),
            Handle::Stale => (u32::MAX, 0x0100_0000),
            Handle::Zero => (0, 0),
        };
        let mut record = Self {
            request: (u64::from(case.space) << 16) | case.length,
            handle_keep,
            handle_flip,
            offset: case.offset,
            base: match case.base {
                Base::Space => ZERO,
                Base::Dmb => own + area::TOKEN,
            },
            source: block.wrapping_add_signed(-i64::from(case.block_displacement())),
            data: case.register_value(tag),
            stub: stub(case),
            handle_from: own + area::HANDLE,
            vector: INDICATORS + 8 * u64::from(case.function),
            psw_mask: psw_mask(case),
            ..Self::default()
        };
        match case.instruction {
            Instruction::Rpcit => {
                record.request = 0;
                record.source = case.offset;
                record.extra = case.length;
            }
            Instruction::Mpcifc | Instruction::Stpcifc => {
                record.request = (u64::from(case.space) << 16) | u64::from(case.operation);
            }
            Instruction::Sic => {
                record.handle_keep = 0;
                record.request = u64::from(case.operation);
                record.offset = ISC << 27;
            }
            Instruction::Pcistbi => {
                record.handle_keep = 0;
                record.request = case.length;
            }
            Instruction::Pcistgi | Instruction::Pcilgi => {
                record.handle_keep = 0;
                record.request = case.offset;
                record.offset = case.length;
            }
            _ => {}
        }
        record.patch(case, payload);
        record.flags = if case.joined { 0 } else { flag::FENCE };
        if case.save && case.instruction == Instruction::Clp {
            record.save_to = own + area::HANDLE;
            record.save_from = payload + clp::REQUEST as u64 + 16;
        } else if case.save {
            record.save_to = MAILBOX + variable::SAVED;
        }
        if case.clear_interrupts {
            record.flags |= flag::CLEAR_INTERRUPTS;
        }
        if case.await_interrupt {
            record.flags |= flag::AWAIT_INTERRUPT;
        }
        if case.await_measurement {
            record.flags |= flag::AWAIT_MEASUREMENT;
        }
        match case.only {
            Some(Only::Block) => record.run_with_blocks(0, true),
            Some(Only::Plain) => record.run_with_blocks(0, false),
            Some(Only::Unforwarded | Only::AccessRegisters) | None => {}
        }
        record
    }

    fn patch(&mut self, case: &Case, payload: u64) {
        let Some(patch) = case.patch else { return };
        let from = address_of(patch.value, usize::from(case.function));
        if case.instruction == Instruction::Pcistg {
            self.data = 0;
            self.data_base = from;
        } else {
            self.patch_to = payload + patch.at as u64;
            self.patch_from = from;
            self.patch_add = kept(case, patch);
        }
    }

    /// Sets the condition: PCISTB of 8 bytes to this function worked (`blocks`), or it did not.
    pub(super) fn run_with_blocks(&mut self, function: usize, blocks: bool) {
        self.condition = function_area(function) + area::BLOCK_RESPONSE;
        self.condition_value = READ_GID_WORKED;
        self.flags |= if blocks {
            flag::IF_EQUAL
        } else {
            flag::UNLESS_EQUAL
        };
    }

    /// Makes the loop skip the record.
    pub(super) fn never_run(&mut self) {
        self.condition = ZERO;
        self.condition_value = 1;
        self.flags = (self.flags | flag::IF_EQUAL) & !flag::UNLESS_EQUAL;
    }

    /// The record's bytes in guest memory.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let handle = (u64::from(self.handle_keep) << 32) | u64::from(self.handle_flip);
        let fields = [
            self.request,
            handle,
            self.offset,
            self.base,
            self.source,
            self.extra,
            self.data,
            self.data_base,
            self.patch_to,
            self.patch_from,
            self.save_to,
            self.condition,
            self.condition_value,
            self.flags,
        ];
        let mut bytes: Vec<u8> = fields
            .iter()
            .flat_map(|field| field.to_be_bytes())
            .collect();
        bytes.extend(&self.stub);
        bytes.resize(field::HANDLE_FROM as usize, 0);
        for field in [
            self.handle_from,
            self.psw_mask,
            self.patch_add,
            self.save_from,
            self.vector,
        ] {
            bytes.extend(field.to_be_bytes());
        }
        bytes.resize(SIZE, 0);
        bytes
    }
}
