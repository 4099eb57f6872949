//! The MSI-X table in BAR 4. QEMU emulates it, so the function sees no access. The guest must load what it
//! stored.

use super::make::{case, grouped};
use crate::plan::case::{Case, Only};
use crate::plan::instruction::Instruction::{self, Pcilg, Pcistb, Pcistg};

/// Bytes of an entry: address, upper address, data, control.
const ENTRY: [(u64, [u8; 4]); 4] = [
    (0, [0x00, 0x10, 0x20, 0x30]),
    (4, [0x41, 0x52, 0x63, 0x74]),
    (8, [0x85, 0x96, 0xa7, 0xb8]),
    // Masked.
    (12, [0x01, 0x00, 0x00, 0x00]),
];

fn access(id: impl Into<String>, instruction: Instruction, offset: u64, length: u64) -> Case {
    case(instruction, id).at(4, offset, length)
}

/// Stores to an entry, and loads from it.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (offset, bytes) in ENTRY {
        let id = format!("msi-x-store-{offset}");
        cases.push(access(id, Pcistg, offset, 4).with_bytes(bytes));
    }
    for (offset, length) in [(0, 4), (4, 4), (8, 4), (12, 4), (0, 8), (8, 8)] {
        let id = format!("msi-x-load-{offset}-length-{length}");
        cases.push(access(id, Pcilg, offset, length));
    }
    let bytes = [0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78];
    cases.push(access("msi-x-store-8-bytes", Pcistg, 0, 8).with_bytes(bytes));
    for (offset, length) in [(0, 8), (0, 4), (4, 4)] {
        let id = format!("msi-x-load-again-{offset}-length-{length}");
        cases.push(access(id, Pcilg, offset, length));
    }
    // A plugin that executes the instruction cannot reach the table in QEMU.
    let block = (0x10..0x20).collect::<Vec<u8>>();
    let block = access("msi-x-block", Pcistb, 0, 16).with_bytes(block);
    cases.push(block.limited(Only::Unforwarded));
    for offset in [0, 8] {
        let id = format!("msi-x-load-after-block-{offset}");
        cases.push(access(id, Pcilg, offset, 8).limited(Only::Unforwarded));
    }
    cases.push(access("msi-x-store-beyond", Pcistg, 0x1000, 8));
    cases.push(access("msi-x-load-beyond", Pcilg, 0x1000, 8));
    grouped("msi-x-table", cases)
}
