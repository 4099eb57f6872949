//! The MSI-X table in BAR 4. QEMU emulates it, so that the function sees nothing of it; what the guest stores it must load
//! again.

use crate::plan::case::{Case, Only};
use crate::plan::instruction::Instruction;
use crate::plan::payload::Payload;

const GROUP: &str = "msi-x-table";
const BAR: u8 = 4;
/// Bytes of an entry: address, upper address, data, control.
const ENTRY: [(u64, [u8; 4]); 4] = [
    (0, [0x00, 0x10, 0x20, 0x30]),
    (4, [0x41, 0x52, 0x63, 0x74]),
    (8, [0x85, 0x96, 0xa7, 0xb8]),
    // Masked.
    (12, [0x01, 0x00, 0x00, 0x00]),
];

fn access(id: String, instruction: Instruction, offset: u64, length: u64) -> Case {
    Case {
        space: BAR,
        offset,
        length,
        ..Case::new(id, GROUP, instruction)
    }
}

/// Stores to an entry, and loads of it.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (offset, bytes) in ENTRY {
        cases.push(Case {
            payload: Payload::Bytes(bytes.to_vec()),
            ..access(
                format!("msi-x-store-{offset}"),
                Instruction::Pcistg,
                offset,
                4,
            )
        });
    }
    for (offset, length) in [(0, 4), (4, 4), (8, 4), (12, 4), (0, 8), (8, 8)] {
        cases.push(access(
            format!("msi-x-load-{offset}-length-{length}"),
            Instruction::Pcilg,
            offset,
            length,
        ));
    }
    cases.push(Case {
        payload: Payload::Bytes(vec![0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78]),
        ..access("msi-x-store-8-bytes".into(), Instruction::Pcistg, 0, 8)
    });
    for (offset, length) in [(0, 8), (0, 4), (4, 4)] {
        cases.push(access(
            format!("msi-x-load-again-{offset}-length-{length}"),
            Instruction::Pcilg,
            offset,
            length,
        ));
    }
    // A plugin that executes the instruction cannot reach the table in QEMU.
    let block = (0x10..0x20).collect();
    cases.push(Case {
        payload: Payload::Bytes(block),
        only: Some(Only::Unforwarded),
        ..access("msi-x-block".into(), Instruction::Pcistb, 0, 16)
    });
    for offset in [0, 8] {
        cases.push(Case {
            only: Some(Only::Unforwarded),
            ..access(
                format!("msi-x-load-after-block-{offset}"),
                Instruction::Pcilg,
                offset,
                8,
            )
        });
    }
    cases.push(access(
        "msi-x-store-beyond".into(),
        Instruction::Pcistg,
        0x1000,
        8,
    ));
    cases.push(access(
        "msi-x-load-beyond".into(),
        Instruction::Pcilg,
        0x1000,
        8,
    ));
    cases
}
