//! PCISTG and PCILG on BARs and config space.

use super::make::{case, grouped};
use super::spaces::BAR2_SCRATCH;
use crate::plan::case::{Base, Case};
use crate::plan::instruction::Instruction::{self, Pcilg, Pcistg};

/// Offset within a doubleword and length, for every size of a register access.
const PLACES: [(u64, u64); 22] = [
    (0, 1),
    (1, 1),
    (2, 1),
    (3, 1),
    (4, 1),
    (5, 1),
    (6, 1),
    (7, 1),
    (0, 2),
    (1, 2),
    (2, 2),
    (4, 2),
    (6, 2),
    (0, 4),
    (1, 4),
    (2, 4),
    (4, 4),
    (0, 8),
    (8, 1),
    (8, 2),
    (8, 4),
    (8, 8),
];

/// Lengths that no Linux driver uses, at an aligned offset.
const ODD: [u64; 4] = [3, 5, 6, 7];

/// Impossible lengths and places: nothing, too long, or across a doubleword.
const IMPOSSIBLE: [(u64, u64); 8] = [
    (0, 0),
    (0, 9),
    (0, 15),
    (7, 2),
    (6, 4),
    (5, 4),
    (1, 8),
    (4, 8),
];

fn place(instruction: Instruction, what: &str, space: u8, at: u64, length: u64) -> Case {
    let (base, offset) = match (space, instruction) {
        (0, _) => (Base::Dmb, 0x300),
        (_, Pcilg) => (Base::Space, 0),
        _ => (Base::Space, BAR2_SCRATCH + 0x300),
    };
    let name = instruction.name();
    let id = format!("{name}-bar{space}-{what}-at-{at}-length-{length}");
    Case {
        base,
        ..case(instruction, id).at(space, offset + at, length)
    }
}

fn matrix(instruction: Instruction) -> Vec<Case> {
    let name = instruction.name();
    let places = [0, 2].into_iter().flat_map(|space| {
        PLACES.map(|(at, length)| place(instruction, "place", space, at, length))
    });
    let odd = ODD.map(|length| place(instruction, "odd", 2, 0, length));
    let refused = IMPOSSIBLE.map(|(at, length)| place(instruction, "refused", 2, at, length));
    [
        grouped(name, places),
        grouped(&format!("{name}-odd-length"), odd),
        grouped(&format!("{name}-refused"), refused),
    ]
    .concat()
}

/// PCISTG on both BARs.
pub(super) fn stores() -> Vec<Case> {
    matrix(Pcistg)
}

/// PCILG on both BARs. In BAR 2, it loads the response to READ_GID, whose bytes all differ.
pub(super) fn loads() -> Vec<Case> {
    let mut cases = super::commands::read_gid("pcilg");
    cases.extend(matrix(Pcilg));
    cases
}

/// Loads and stores of config space.
pub(super) fn config() -> Vec<Case> {
    let mut cases = Vec::new();
    for (offset, length) in [
        (0x00, 4),
        (0x00, 2),
        (0x00, 1),
        (0x01, 1),
        (0x02, 2),
        (0x04, 2),
        (0x06, 2),
        (0x08, 4),
        (0x0a, 2),
        (0x0e, 1),
        (0x10, 4),
        (0x18, 4),
        (0x34, 1),
        (0x3d, 1),
        (0xfc, 4),
        (0xff, 1),
    ] {
        cases.push(config_case(Pcilg, offset, length));
    }
    for (offset, length) in [
        (0x00, 0),
        (0x00, 3),
        (0x00, 8),
        (0x02, 4),
        (0x03, 2),
        (0x01, 4),
    ] {
        cases.push(config_case(Pcilg, offset, length));
    }
    // The command register keeps memory space and bus master on. The vendor id is read-only.
    cases.push(config_case(Pcistg, 0x04, 2).with_bytes([0x06, 0x00]));
    cases.push(config_case(Pcistg, 0x3c, 1).with_bytes([0x5a]));
    cases.push(config_case(Pcistg, 0x00, 4));
    for (offset, length) in [(0x3c, 0), (0x00, 3), (0x00, 8), (0x02, 4), (0x03, 2)] {
        cases.push(config_case(Pcistg, offset, length));
    }
    grouped("config", cases)
}

fn config_case(instruction: Instruction, offset: u64, length: u64) -> Case {
    let name = instruction.name();
    let id = format!("{name}-config-{offset:#04x}-length-{length}");
    case(instruction, id).at(15, offset, length)
}
