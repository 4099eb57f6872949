//! Data moves as the Linux driver cuts them, and the order of neighbouring accesses.

use super::block::into_dmb;
use super::spaces::BAR2_SCRATCH;
use crate::plan::case::{Base, Case};
use crate::plan::instruction::Instruction;

/// The signal flag of a data move, a bit of the PCISTB offset (Linux `drivers/s390/net/ism.h`).
pub(super) const SIGNAL: u64 = 1 << 23;

/// One move: cut at the 4 KiB boundaries of the DMB, the signal flag on the last piece only.
fn cut(name: &str, start: u64, length: u64, signal: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut offset = start;
    let end = start + length;
    while offset < end {
        let piece = (end - offset).min(4096 - offset % 4096);
        let flag = if signal && offset + piece == end {
            SIGNAL
        } else {
            0
        };
        let mut case = into_dmb(format!("{name}-at-{offset}"), "move", offset | flag, piece);
        case.joined = offset != start;
        cases.push(case);
        offset += piece;
    }
    cases
}

/// Moves of several sizes, with and without a signal.
pub(super) fn moves() -> Vec<Case> {
    [
        cut("move-cdc-signalled", 0, 32, true),
        cut("move-byte", 33, 1, false),
        cut("move-tail-signalled", 40, 11, true),
        cut("move-doubleword", 64, 8, false),
        cut("move-128", 128, 128, false),
        cut("move-128-signalled", 128, 128, true),
        cut("move-page", 4096, 4096, false),
        cut("move-two-pages", 4096, 8192, false),
        cut("move-two-pages-signalled", 4096, 8192, true),
        cut("move-across-signalled", 4000, 200, true),
        cut("move-across-aligned-signalled", 4032, 128, true),
        cut("move-odd", 32 + 7, 9001, false),
        cut("move-odd-signalled", 32 + 7, 9001, true),
    ]
    .concat()
}

/// Loads right after stores, and stores side by side that must stay apart.
pub(super) fn order() -> Vec<Case> {
    let group = "order";
    let at = BAR2_SCRATCH + 0x400;
    let bar2 = |id: &str, instruction, offset, length, joined| Case {
        space: 2,
        offset,
        length,
        joined,
        ..Case::new(id, group, instruction)
    };
    let moved = |id: &str, offset, length, joined| Case {
        joined,
        ..into_dmb(id.into(), group, offset, length)
    };
    vec![
        bar2("block-then-load", Instruction::Pcistb, at, 16, false),
        bar2("load-after-block", Instruction::Pcilg, at, 8, true),
        bar2("short-block-then-load", Instruction::Pcistb, at, 8, false),
        bar2("load-after-short-block", Instruction::Pcilg, at, 8, true),
        bar2("plain-then-load", Instruction::Pcistg, at, 8, false),
        bar2("load-after-plain", Instruction::Pcilg, at, 8, true),
        bar2(
            "plain-then-other-load",
            Instruction::Pcistg,
            at + 64,
            4,
            false,
        ),
        bar2(
            "other-load-after-plain",
            Instruction::Pcilg,
            at + 128,
            8,
            true,
        ),
        bar2("plain-neighbour-1", Instruction::Pcistg, at + 32, 4, false),
        bar2("plain-neighbour-2", Instruction::Pcistg, at + 36, 4, true),
        bar2("plain-backwards-1", Instruction::Pcistg, at + 48, 8, false),
        bar2("plain-backwards-2", Instruction::Pcistg, at + 40, 8, true),
        moved("block-neighbour-1", 0x800, 64, false),
        moved("block-neighbour-2", 0x840, 64, true),
        moved("block-backwards-1", 0xa40, 32, false),
        moved("block-backwards-2", 0xa20, 32, true),
        Case {
            base: Base::Dmb,
            ..moved("data-before-header", 0xb00, 24, false)
        },
        bar2("plain-after-data", Instruction::Pcistg, at + 96, 8, true),
    ]
}
