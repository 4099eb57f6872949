//! PCISTB: lengths, offsets and guest buffers.

use super::make::{case, grouped, into_dmb};
use super::spaces::{BAR0_SIZE, BAR2_SCRATCH, BAR2_SIZE};
use crate::plan::case::Case;
use crate::plan::instruction::Instruction;

const LENGTHS: [u64; 39] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 32, 64, 120, 127, 128, 129, 136,
    255, 256, 257, 264, 272, 384, 512, 513, 520, 1024, 2048, 2049, 4088, 4095, 4096,
];

/// A PCISTB into a BAR at an absolute offset.
fn into_bar(id: String, space: u8, offset: u64, length: u64) -> Case {
    case(Instruction::Pcistb, id).at(space, offset, length)
}

/// Every length on both address spaces.
pub(super) fn lengths() -> Vec<Case> {
    let bar0 = |length| into_dmb(format!("pcistb-bar0-length-{length}"), 0, length);
    let bar2 = |length| {
        let fits = length <= BAR2_SIZE - BAR2_SCRATCH;
        let offset = if fits { BAR2_SCRATCH } else { 0 };
        into_bar(format!("pcistb-bar2-length-{length}"), 2, offset, length)
    };
    let possible = LENGTHS.map(bar0).into_iter().chain(LENGTHS.map(bar2));
    grouped("pcistb-length", possible.chain([0, 4097].map(bar0)))
}

/// Misaligned offsets, and offsets around 4 KiB and the ends of the BARs.
pub(super) fn offsets() -> Vec<Case> {
    let mut cases = Vec::new();
    for misalignment in 0..8 {
        for length in [5, 8, 16, 24] {
            let id = |bar| format!("pcistb-{bar}-offset-{misalignment}-length-{length}");
            cases.push(into_dmb(id("bar0"), 0x100 + misalignment, length));
            let offset = BAR2_SCRATCH + misalignment;
            cases.push(into_bar(id("bar2"), 2, offset, length));
        }
    }
    for (offset, length) in [
        (4080, 16),
        (4088, 8),
        (4095, 1),
        (4088, 16),
        (4095, 2),
        (4080, 32),
        (4096, 16),
        (4096, 8),
        (1, 4096),
        (8, 4096),
    ] {
        let id = format!("pcistb-bar0-page-{offset}-length-{length}");
        cases.push(into_dmb(id, offset, length));
    }
    for (offset, length) in [
        (4080, 16),
        (4088, 8),
        (4095, 1),
        (4088, 16),
        (4095, 2),
        (4096, 8),
        (4096, 16),
        (1 << 40, 16),
    ] {
        let id = format!("pcistb-bar2-end-{offset}-length-{length}");
        cases.push(into_bar(id, 2, offset, length));
    }
    for (name, offset, length) in [
        ("last-16", BAR0_SIZE - 16, 16),
        ("last-8", BAR0_SIZE - 8, 8),
        ("last-1", BAR0_SIZE - 1, 1),
        ("across", BAR0_SIZE - 8, 16),
        ("behind", BAR0_SIZE, 16),
        ("far-behind", 1 << 63, 16),
    ] {
        let id = format!("pcistb-bar0-end-{name}");
        cases.push(into_bar(id, 0, offset, length));
    }
    grouped("pcistb-offset", cases)
}

/// Misaligned guest buffers, and buffers that cross a page.
pub(super) fn sources() -> Vec<Case> {
    let misaligned = (0..8).flat_map(|source| [16, 24, 11].map(|length| (source, length)));
    let crossing = [
        (4088, 16),
        (4080, 32),
        (4095, 2),
        (4092, 8),
        (4032, 128),
        (1, 4096),
        (2048, 4096),
        (4095, 24),
    ];
    let from = |(source, length)| {
        let id = format!("pcistb-source-{source}-length-{length}");
        into_dmb(id, 0x200 * u64::from(length < 512), length).with_source(source)
    };
    grouped("pcistb-source", misaligned.chain(crossing).map(from))
}
