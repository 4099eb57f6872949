//! PCISTB: lengths, offsets and guest buffers.

use super::spaces::{BAR0_SIZE, BAR2_SCRATCH, BAR2_SIZE};
use crate::plan::case::{Base, Case};
use crate::plan::instruction::Instruction;

const LENGTHS: [u64; 39] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 32, 64, 120, 127, 128, 129, 136,
    255, 256, 257, 264, 272, 384, 512, 513, 520, 1024, 2048, 2049, 4088, 4095, 4096,
];

/// A PCISTB into the registered DMB (BAR 0).
pub(super) fn into_dmb(id: String, group: &str, offset: u64, length: u64) -> Case {
    Case {
        base: Base::Dmb,
        offset,
        length,
        ..Case::new(id, group, Instruction::Pcistb)
    }
}

/// A PCISTB into a BAR at an absolute offset.
fn into_bar(id: String, group: &str, space: u8, offset: u64, length: u64) -> Case {
    Case {
        space,
        offset,
        length,
        ..Case::new(id, group, Instruction::Pcistb)
    }
}

/// Every length on both spaces.
pub(super) fn lengths() -> Vec<Case> {
    let bar0 = LENGTHS.iter().map(|&length| {
        into_dmb(
            format!("pcistb-bar0-length-{length}"),
            "pcistb-length",
            0,
            length,
        )
    });
    let bar2 = LENGTHS.iter().map(|&length| {
        let offset = if length <= BAR2_SIZE - BAR2_SCRATCH {
            BAR2_SCRATCH
        } else {
            0
        };
        into_bar(
            format!("pcistb-bar2-length-{length}"),
            "pcistb-length",
            2,
            offset,
            length,
        )
    });
    let zero = [
        into_dmb("pcistb-bar0-length-0".into(), "pcistb-length", 0, 0),
        into_dmb("pcistb-bar0-length-4097".into(), "pcistb-length", 0, 4097),
    ];
    bar0.chain(bar2).chain(zero).collect()
}

/// Misaligned offsets, and offsets around 4 KiB and the ends of the BARs.
pub(super) fn offsets() -> Vec<Case> {
    let group = "pcistb-offset";
    let mut cases = Vec::new();
    for misalignment in 0..8 {
        for length in [5, 8, 16, 24] {
            cases.push(into_dmb(
                format!("pcistb-bar0-offset-{misalignment}-length-{length}"),
                group,
                0x100 + misalignment,
                length,
            ));
            cases.push(into_bar(
                format!("pcistb-bar2-offset-{misalignment}-length-{length}"),
                group,
                2,
                BAR2_SCRATCH + misalignment,
                length,
            ));
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
        cases.push(into_dmb(
            format!("pcistb-bar0-page-{offset}-length-{length}"),
            group,
            offset,
            length,
        ));
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
        cases.push(into_bar(
            format!("pcistb-bar2-end-{offset}-length-{length}"),
            group,
            2,
            offset,
            length,
        ));
    }
    for (name, offset, length) in [
        ("last-16", BAR0_SIZE - 16, 16),
        ("last-8", BAR0_SIZE - 8, 8),
        ("last-1", BAR0_SIZE - 1, 1),
        ("across", BAR0_SIZE - 8, 16),
        ("behind", BAR0_SIZE, 16),
        ("far-behind", 1 << 63, 16),
    ] {
        cases.push(into_bar(
            format!("pcistb-bar0-end-{name}"),
            group,
            0,
            offset,
            length,
        ));
    }
    cases
}

/// Misaligned guest buffers and ones that cross a page.
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
    misaligned
        .chain(crossing)
        .map(|(source, length)| Case {
            source,
            ..into_dmb(
                format!("pcistb-source-{source}-length-{length}"),
                "pcistb-source",
                0x200 * u64::from(length < 512),
                length,
            )
        })
        .collect()
}
