//! Data moves, split as in the Linux driver, and the order of neighbouring accesses.

use super::make::{case, grouped, into_dmb};
use super::spaces::BAR2_SCRATCH;
use crate::plan::case::Case;
use crate::plan::instruction::Instruction::{Pcilg, Pcistb, Pcistg};

/// The signal flag of a data move, a bit of the PCISTB offset (Linux `drivers/s390/net/ism.h`).
pub(super) const SIGNAL: u64 = 1 << 23;

/// One move, split at the 4 KiB boundaries of the DMB. Only the last piece has the signal flag.
fn cut(name: &str, start: u64, length: u64, signal: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut offset = start;
    let end = start + length;
    while offset < end {
        let piece = (end - offset).min(4096 - offset % 4096);
        let last = offset + piece == end;
        let flag = if signal && last { SIGNAL } else { 0 };
        let case = into_dmb(format!("{name}-at-{offset}"), offset | flag, piece);
        cases.push(case.joined(offset != start));
        offset += piece;
    }
    cases
}

/// Moves of several sizes, with and without a signal.
pub(super) fn moves() -> Vec<Case> {
    let moves = [
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
    ];
    grouped("move", moves.concat())
}

/// Loads directly after stores, and neighbouring stores that must stay separate.
pub(super) fn order() -> Vec<Case> {
    let bar2 = |id, instruction, offset, length, joined| {
        let case = case(instruction, id).at(2, BAR2_SCRATCH + 0x400 + offset, length);
        case.joined(joined)
    };
    let moved = |id, offset, length, joined| into_dmb(id, offset, length).joined(joined);
    let cases = [
        bar2("block-then-load", Pcistb, 0, 16, false),
        bar2("load-after-block", Pcilg, 0, 8, true),
        bar2("short-block-then-load", Pcistb, 0, 8, false),
        bar2("load-after-short-block", Pcilg, 0, 8, true),
        bar2("plain-then-load", Pcistg, 0, 8, false),
        bar2("load-after-plain", Pcilg, 0, 8, true),
        bar2("plain-then-other-load", Pcistg, 64, 4, false),
        bar2("other-load-after-plain", Pcilg, 128, 8, true),
        bar2("plain-neighbour-1", Pcistg, 32, 4, false),
        bar2("plain-neighbour-2", Pcistg, 36, 4, true),
        bar2("plain-backwards-1", Pcistg, 48, 8, false),
        bar2("plain-backwards-2", Pcistg, 40, 8, true),
        moved("block-neighbour-1", 0x800, 64, false),
        moved("block-neighbour-2", 0x840, 64, true),
        moved("block-backwards-1", 0xa40, 32, false),
        moved("block-backwards-2", 0xa20, 32, true),
        moved("data-before-header", 0xb00, 24, false),
        bar2("plain-after-data", Pcistg, 96, 8, true),
    ];
    grouped("order", cases)
}
