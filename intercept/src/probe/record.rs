//! One instruction as the probe's loop reads it.

use super::layout::{MAILBOX, variable};
use crate::plan::{Base, Carrier, Case, Handle, Instruction, Variable};
use s390x_asm::{Gr, format, zpci};

/// Bytes per record.
pub const SIZE: usize = 128;

/// Field offsets, as the machine code uses them.
pub mod field {
    /// Low part of the request register.
    pub const REQUEST: i32 = 0;
    /// What of the handle stays (32 bits), then what of it is inverted (32 bits).
    pub const HANDLE_KEEP: i32 = 8;
    /// See above.
    pub const HANDLE_FLIP: i32 = 12;
    /// Offset.
    pub const OFFSET: i32 = 16;
    /// Address of what is added to it.
    pub const BASE: i32 = 24;
    /// Block address; start of an RPCIT.
    pub const SOURCE: i32 = 32;
    /// Length of an RPCIT.
    pub const EXTRA: i32 = 40;
    /// Register to store.
    pub const DATA: i32 = 48;
    /// Address of what is added to it.
    pub const DATA_BASE: i32 = 56;
    /// Where eight bytes go before the instruction, or zero.
    pub const PATCH_TO: i32 = 64;
    /// Where they come from.
    pub const PATCH_FROM: i32 = 72;
    /// Where the loaded register goes, or zero.
    pub const SAVE_TO: i32 = 80;
    /// What decides whether the record runs, or zero.
    pub const CONDITION: i32 = 88;
    /// What it is compared with.
    pub const CONDITION_VALUE: i32 = 96;
    /// See [`super::flag`].
    pub const FLAGS: i32 = 104;
    /// The instruction, then a branch back.
    pub const STUB: i32 = 112;
}

/// Bits of [`field::FLAGS`].
pub mod flag {
    /// Load from config space first, so that the device's record shows where this instruction begins.
    pub const FENCE: u64 = 1;
    /// Run if the condition holds.
    pub const IF_EQUAL: u64 = 2;
    /// Run unless the condition holds.
    pub const UNLESS_EQUAL: u64 = 4;
    /// Take and forget pending interrupts first.
    pub const CLEAR_INTERRUPTS: u64 = 8;
    /// Wait for an adapter interrupt afterwards.
    pub const AWAIT_INTERRUPT: u64 = 16;
}

/// The response header of a READ_GID that worked: command, return code 0, length 16.
pub const READ_GID_WORKED: u64 = (3 << 32) | 16;

/// One record.
#[derive(Debug, Clone)]
pub struct Record {
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
        }
    }
}

/// The instruction with the registers that the loop fills: request 2, offset 3, block 4, extra 5, data 6.
fn stub(instruction: Instruction, odd: bool) -> Vec<u8> {
    let pair = if odd { Gr::R3 } else { Gr::R2 };
    let mut code = match instruction {
        Instruction::Pcistb => zpci::pcistb(Gr::R2, Gr::R3, 0, Gr::R4).to_vec(),
        Instruction::Pcistg => zpci::pcistg(Gr::R6, pair).to_vec(),
        Instruction::Pcilg => zpci::pcilg(Gr::R6, pair).to_vec(),
        Instruction::Pcistbi => zpci::pcistbi(Gr::R2, Gr::R3, 0, Gr::R4).to_vec(),
        Instruction::Pcistgi => zpci::pcistgi(Gr::R6, Gr::R2).to_vec(),
        Instruction::Pcilgi => zpci::pcilgi(Gr::R6, Gr::R2).to_vec(),
        Instruction::Pciwb => zpci::pciwb().to_vec(),
        Instruction::Rpcit => zpci::rpcit(Gr::R2, if odd { Gr::R5 } else { Gr::R4 }).to_vec(),
        Instruction::Mpcifc => zpci::mpcifc(Gr::R2, 0, Gr::R4).to_vec(),
    };
    code.extend(format::rr(0x07, Gr::R15, Gr::R14));
    code
}

fn address_of(variable: Variable) -> u64 {
    MAILBOX
        + match variable {
            Variable::Gid => variable::GID,
            Variable::Token => variable::TOKEN,
            Variable::Saved => variable::SAVED,
        }
}

impl Record {
    /// The record of one case; `tag` is its place in the plan, `source` where its payload lies.
    pub fn of_case(case: &Case, tag: u32, source: u64) -> Self {
        let (handle_keep, handle_flip) = match case.handle {
            Handle::Enabled => (u32::MAX, 0),
            Handle::Disabled => (0x7fff_ffff, 0),
            Handle::Unknown => (u32::MAX, 0x0000_5a5a),
            Handle::Zero => (0, 0),
        };
        let mut record = Self {
            request: (u64::from(case.space) << 16) | case.length,
            handle_keep,
            handle_flip,
            offset: case.offset,
            base: match case.base {
                Base::Space => ZERO,
                Base::Dmb => MAILBOX + variable::TOKEN,
            },
            source,
            data: case.register_value(tag),
            stub: stub(case.instruction, case.odd_register),
            ..Self::default()
        };
        match case.instruction {
            Instruction::Rpcit => {
                record.request = 0;
                record.source = case.offset;
                record.extra = case.length;
            }
            Instruction::Mpcifc => record.request = u64::from(case.operation),
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
        record.patch(case, source);
        record.flags = if case.joined { 0 } else { flag::FENCE };
        if case.save {
            record.save_to = MAILBOX + variable::SAVED;
        }
        if case.clear_interrupts {
            record.flags |= flag::CLEAR_INTERRUPTS;
        }
        if case.await_interrupt {
            record.flags |= flag::AWAIT_INTERRUPT;
        }
        match case.only {
            Some(Carrier::Block) => record.run_with_blocks(true),
            Some(Carrier::Plain) => record.run_with_blocks(false),
            None => {}
        }
        record
    }

    fn patch(&mut self, case: &Case, source: u64) {
        let Some(patch) = case.patch else { return };
        let from = address_of(patch.value);
        if case.instruction == Instruction::Pcistg {
            self.data = 0;
            self.data_base = from;
        } else {
            self.patch_to = source + patch.at as u64;
            self.patch_from = from;
        }
    }

    /// Runs only if PCISTB of 8 bytes worked (`blocks`), or only if it did not.
    pub fn run_with_blocks(&mut self, blocks: bool) {
        self.condition = MAILBOX + variable::BLOCK_RESPONSE;
        self.condition_value = READ_GID_WORKED;
        self.flags |= if blocks {
            flag::IF_EQUAL
        } else {
            flag::UNLESS_EQUAL
        };
    }

    /// The loop passes over the record.
    pub fn never_run(&mut self) {
        self.condition = ZERO;
        self.condition_value = 1;
        self.flags = (self.flags | flag::IF_EQUAL) & !flag::UNLESS_EQUAL;
    }

    /// The record as it lies in guest memory.
    pub fn to_bytes(&self) -> Vec<u8> {
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
        bytes.resize(SIZE, 0);
        bytes
    }
}
