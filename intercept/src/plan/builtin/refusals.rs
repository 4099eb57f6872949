//! Instructions that must be refused: handles, address spaces, registers, and the MIO forms.

use super::make::{HANDLES, MOVERS, case, grouped};
use super::spaces::BAR2_SCRATCH;
use crate::plan::case::Case;
use crate::plan::instruction::Instruction;

/// Handles that name no enabled function.
pub(super) fn handles() -> Vec<Case> {
    let mut cases = Vec::new();
    for (handle, name) in HANDLES {
        for (instruction, length) in MOVERS {
            let id = format!("{}-handle-{name}", instruction.name());
            let case = case(instruction, id).at(2, BAR2_SCRATCH, length);
            cases.push(case.with_handle(handle));
        }
    }
    grouped("handle", cases)
}

/// Address spaces that an ISM function lacks.
pub(super) fn spaces() -> Vec<Case> {
    let mut cases = Vec::new();
    for (instruction, length) in MOVERS {
        for space in [1, 3, 6, 7, 8, 14, 15] {
            if space == 15 && instruction != Instruction::Pcistb {
                continue;
            }
            let id = format!("{}-space-{space}", instruction.name());
            cases.push(case(instruction, id).at(space, 0, length));
        }
    }
    grouped("space", cases)
}

/// Odd registers in place of the even one of a pair.
pub(super) fn registers() -> Vec<Case> {
    let instructions = [
        (Instruction::Pcistg, 8),
        (Instruction::Pcilg, 8),
        (Instruction::Rpcit, 4096),
    ];
    let odd = |(instruction, length): (Instruction, u64)| Case {
        odd_register: true,
        ..case(instruction, format!("{}-odd-register", instruction.name())).at(
            2,
            BAR2_SCRATCH,
            length,
        )
    };
    grouped("register", instructions.map(odd))
}

/// The memory I/O (MIO) forms, which ISM functions do not accept and CLP does not offer.
pub(super) fn mio() -> Vec<Case> {
    let address = 0x4000_0000_0000_0000;
    let cases = [
        (Instruction::Pcistbi, address, 16),
        (Instruction::Pcistgi, address, 8),
        (Instruction::Pcilgi, address, 8),
        (Instruction::Pciwb, 0, 0),
    ];
    let form = |(instruction, offset, length): (Instruction, u64, u64)| {
        case(instruction, instruction.name()).at(0, offset, length)
    };
    grouped("mio", cases.map(form))
}
