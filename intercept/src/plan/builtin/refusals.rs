//! Instructions that must be refused: handles, address spaces, registers, and the MIO forms.

use super::spaces::BAR2_SCRATCH;
use crate::plan::case::{Case, Handle};
use crate::plan::instruction::Instruction;

const MOVERS: [(Instruction, u64); 3] = [
    (Instruction::Pcistb, 16),
    (Instruction::Pcistg, 8),
    (Instruction::Pcilg, 8),
];

/// Handles that name no enabled function.
pub(super) fn handles() -> Vec<Case> {
    let mut cases = Vec::new();
    for (handle, name) in [
        (Handle::Disabled, "disabled"),
        (Handle::Unknown, "unknown"),
        (Handle::Stale, "stale"),
        (Handle::Zero, "zero"),
    ] {
        for (instruction, length) in MOVERS {
            cases.push(Case {
                handle,
                space: 2,
                offset: BAR2_SCRATCH,
                length,
                ..Case::new(
                    format!("{}-handle-{name}", instruction.name()),
                    "handle",
                    instruction,
                )
            });
        }
    }
    cases
}

/// Address spaces that an ISM function does not have.
pub(super) fn spaces() -> Vec<Case> {
    let mut cases = Vec::new();
    for (instruction, length) in MOVERS {
        for space in [1, 3, 6, 7, 8, 14, 15] {
            if space == 15 && instruction != Instruction::Pcistb {
                continue;
            }
            cases.push(Case {
                space,
                length,
                ..Case::new(
                    format!("{}-space-{space}", instruction.name()),
                    "space",
                    instruction,
                )
            });
        }
    }
    cases
}

/// Odd registers where an even one of a pair is due.
pub(super) fn registers() -> Vec<Case> {
    [
        (Instruction::Pcistg, 8),
        (Instruction::Pcilg, 8),
        (Instruction::Rpcit, 4096),
    ]
    .into_iter()
    .map(|(instruction, length)| Case {
        odd_register: true,
        space: 2,
        offset: BAR2_SCRATCH,
        length,
        ..Case::new(
            format!("{}-odd-register", instruction.name()),
            "register",
            instruction,
        )
    })
    .collect()
}

/// The memory I/O forms, which ISM functions do not take and CLP does not offer.
pub(super) fn mio() -> Vec<Case> {
    [
        (Instruction::Pcistbi, 16),
        (Instruction::Pcistgi, 8),
        (Instruction::Pcilgi, 8),
        (Instruction::Pciwb, 0),
    ]
    .into_iter()
    .map(|(instruction, length)| Case {
        offset: 0x4000_0000_0000_0000 * u64::from(length > 0),
        length,
        ..Case::new(instruction.name(), "mio", instruction)
    })
    .collect()
}
