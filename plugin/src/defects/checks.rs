// SPDX-License-Identifier: GPL-2.0-or-later
//! Defects in checks: missing, too narrow, too wide, or with another outcome.

use zpci_region::request::Op;

use super::hook::{Defect, Hook, defects};
use crate::forward::access::{Access, Operand};
use crate::forward::check::check;
use crate::forward::ending::{ADDRESSING, OPERAND, ProgramException, SPECIFICATION};
use crate::forward::facts::FunctionFacts;

type Checked = Result<(), ProgramException>;

/// Program interruption code of a data exception, with which no zPCI instruction ends.
const DATA: ProgramException = ProgramException::suppressing(0x07);

macro_rules! limits {
    ($($name:literal $limit:literal)*) => {
        [$(Defect {
            name: $name,
            what: concat!("a block store of more than ", $limit, " bytes is refused"),
            hook: Hook::Check(|access, facts| up_to(access, facts, $limit)),
        }),*]
    };
}

/// Limits that result from narrow types and small buffers.
pub(crate) const LIMITS: &[Defect] = &limits! {
    "limit-127" 127 "limit-128" 128 "limit-255" 255 "limit-256" 256 "limit-257" 257 "limit-512" 512
    "limit-1024" 1024 "limit-2048" 2048 "limit-2049" 2049 "limit-4095" 4095
};

/// All other defects in checks.
pub(crate) const DEFECTS: &[Defect] = defects![
    "short-refused",
    "a block store of 8 bytes and fewer is refused",
    Hook::Check(|access, facts| block_rule(access, facts, access.place.length > 8)),
    "length-8-refused",
    "a block store of exactly 8 bytes is refused",
    Hook::Check(|access, facts| block_rule(access, facts, access.place.length != 8)),
    "odd-length-refused",
    "a block store whose length is no multiple of 8 is refused",
    Hook::Check(|access, facts| {
        block_rule(access, facts, access.place.length.is_multiple_of(8))
    }),
    "odd-offset-refused",
    "a block store whose offset is no multiple of 8 is refused",
    Hook::Check(|access, facts| {
        block_rule(access, facts, access.place.offset.is_multiple_of(8))
    }),
    "odd-source-refused",
    "a block whose guest address is no multiple of 8 is refused",
    Hook::Check(|access, facts| {
        let aligned = match access.operand {
            Operand::Block { source } => source.is_multiple_of(8),
            _ => true,
        };
        block_rule(access, facts, aligned)
    }),
    "source-crossing-refused",
    "a block that crosses a page of guest memory is refused",
    Hook::Check(|access, facts| {
        let within = match access.operand {
            Operand::Block { source } => source % 4096 + u64::from(access.place.length) <= 4096,
            _ => true,
        };
        block_rule(access, facts, within)
    }),
    "page-end-refused",
    "a block store that ends at the end of a page is refused",
    Hook::Check(|access, facts| {
        let end = access.place.offset.wrapping_add(access.place.length.into());
        block_rule(access, facts, !end.is_multiple_of(4096))
    }),
    "specification-unchecked",
    "a block store of any length that crosses a page is sent",
    Hook::Check(|access, facts| waive(access, facts, SPECIFICATION)),
    "page-unchecked",
    "a block store that crosses 4 KiB is sent, if it is not too long",
    Hook::Check(|access, facts| match access.place.length {
        1..=4096 => waive(access, facts, SPECIFICATION),
        _ => check(access, facts),
    }),
    "zero-length-taken",
    "a block store of no bytes ends with condition code 0",
    Hook::Check(|access, facts| match (access.op, access.place.length) {
        (Op::StoreBlock, 0) => Ok(()),
        _ => check(access, facts),
    }),
    "operand-unchecked",
    "an access past the end of the BAR, or a malformed register access, is sent",
    Hook::Check(|access, facts| waive(access, facts, OPERAND)),
    "bar-end-off-by-one",
    "an access to the last byte of a BAR is refused",
    Hook::Check(|access, facts| {
        let size = facts.bars.get(usize::from(access.place.pcias));
        let end = access.place.offset.wrapping_add(access.place.length.into());
        match size {
            Some(size) if end == *size => Err(OPERAND),
            _ => check(access, facts),
        }
    }),
    "last-byte-refused",
    "a block store of the last byte of a BAR alone is refused",
    Hook::Check(|access, facts| {
        let size = facts.bars.get(usize::from(access.place.pcias));
        match size {
            Some(size) if access.place.offset + 1 == *size => Err(OPERAND),
            _ => check(access, facts),
        }
    }),
    "specification-as-operand",
    "an operand exception instead of a specification exception",
    Hook::Check(|access, facts| instead(access, facts, SPECIFICATION, OPERAND)),
    "operand-as-specification",
    "a specification exception instead of an operand exception",
    Hook::Check(|access, facts| instead(access, facts, OPERAND, SPECIFICATION)),
    "specification-as-data",
    "a data exception instead of a specification exception",
    Hook::Check(|access, facts| instead(access, facts, SPECIFICATION, DATA)),
    "operand-as-addressing",
    "an addressing exception instead of an operand exception",
    Hook::Check(|access, facts| instead(access, facts, OPERAND, ADDRESSING)),
    "place-before-form",
    "the end of the BAR is checked before the form of a block store",
    Hook::Check(|access, facts| {
        let size = facts.bars.get(usize::from(access.place.pcias)).copied();
        let end = access.place.offset.checked_add(access.place.length.into());
        match (end, size) {
            (Some(end), Some(size)) if end <= size => check(access, facts),
            _ => Err(OPERAND),
        }
    }),
    "doubleword-unchecked",
    "PCISTG and PCILG across a doubleword are cut at its end",
    Hook::Operands(|access, _, _| {
        let room = 8 - (access.place.offset % 8) as u16;
        if access.op != Op::StoreBlock && access.place.length <= 8 {
            access.place.length = access.place.length.min(room);
        }
    }),
    "register-zero-length-taken",
    "PCISTG and PCILG of no bytes are taken for 8",
    Hook::Operands(|access, _, _| {
        if access.op != Op::StoreBlock && access.place.length == 0 {
            access.place.length = 8;
        }
    }),
    "register-length-capped",
    "PCISTG and PCILG of more than 8 bytes are taken for 8",
    Hook::Operands(|access, _, _| {
        if access.op != Op::StoreBlock {
            access.place.length = access.place.length.min(8);
        }
    }),
    "register-misaligned-refused",
    "PCISTG and PCILG that are not naturally aligned end in a specification exception",
    Hook::Check(|access, facts| {
        let length = u64::from(access.place.length);
        match access.op {
            Op::Store | Op::Load if length != 0 && !access.place.offset.is_multiple_of(length) => {
                Err(SPECIFICATION)
            }
            _ => check(access, facts),
        }
    }),
    "bytes-refused",
    "PCISTG and PCILG of 1 byte are refused",
    Hook::Check(|access, facts| match (access.op, access.place.length) {
        (Op::Store | Op::Load, 1) => Err(OPERAND),
        _ => check(access, facts),
    }),
    "bar-2-refused",
    "block stores to BAR 2 are refused",
    Hook::Check(|access, facts| block_rule(access, facts, access.place.pcias != 2)),
    "far-offset-refused",
    "a block store at 2^47 and beyond is refused",
    Hook::Check(|access, facts| match access.op {
        Op::StoreBlock if access.place.offset >> 47 != 0 => Err(OPERAND),
        _ => check(access, facts),
    }),
];

/// Runs the checks with another maximum length.
fn up_to(access: &Access, facts: &FunctionFacts, limit: u16) -> Checked {
    block_rule(access, facts, access.place.length <= limit)
}

/// Runs the checks and one more for block stores: if `holds` is false, a specification exception.
fn block_rule(access: &Access, facts: &FunctionFacts, holds: bool) -> Checked {
    match access.op {
        Op::StoreBlock if !holds => Err(SPECIFICATION),
        _ => check(access, facts),
    }
}

/// Runs the checks without those that end in `exception`.
fn waive(access: &Access, facts: &FunctionFacts, exception: ProgramException) -> Checked {
    match check(access, facts) {
        Err(refused) if refused == exception => Ok(()),
        checked => checked,
    }
}

/// Runs the checks and replaces one exception by another.
fn instead(
    access: &Access,
    facts: &FunctionFacts,
    due: ProgramException,
    given: ProgramException,
) -> Checked {
    match check(access, facts) {
        Err(refused) if refused == due => Err(given),
        checked => checked,
    }
}
