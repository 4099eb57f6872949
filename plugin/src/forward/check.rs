// SPDX-License-Identifier: GPL-2.0-or-later
//! The checks of an instruction before its function gets it, in the order of QEMU's
//! `hw/s390x/s390-pci-inst.c`. The kernel patch series "zPCI I/O region" defines which checks a relaxed
//! function waives.

use super::access::{Access, Operand};
use super::ending::{OPERAND, ProgramException, SPECIFICATION};
use super::facts::FunctionFacts;

/// A block store must not cross a multiple of this.
const PAGE: u64 = 4096;
/// A register access must not cross a multiple of this.
const DOUBLEWORD: u64 = 8;

/// Checks that the function may get `access`.
///
/// # Errors
/// The exception with which the instruction ends instead.
pub(crate) fn check(access: &Access, facts: &FunctionFacts) -> Result<(), ProgramException> {
    let place = access.place;
    let length = u64::from(place.length);
    match access.operand {
        Operand::Block { source } => {
            let strict = place.offset.is_multiple_of(8)
                && length > 8
                && length.is_multiple_of(8)
                && source.is_multiple_of(8);
            let whole = length > 0
                && place.length <= facts.clp.maxstbl
                && place.offset % PAGE + length <= PAGE;
            if !whole || !(facts.clp.relaxed || strict) {
                return Err(SPECIFICATION);
            }
        }
        Operand::Data(_) | Operand::Result(_) => {
            if length == 0 || place.offset % DOUBLEWORD + length > DOUBLEWORD {
                return Err(OPERAND);
            }
        }
    }
    let size = facts.bars.get(usize::from(place.pcias)).copied();
    let end = place.offset.checked_add(length);
    match (end, size) {
        (Some(end), Some(size)) if end <= size => Ok(()),
        _ => Err(OPERAND),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Gpr;
    use crate::forward::message::Place;
    use zpci_region::clp::ClpFacts;
    use zpci_region::request::Op;

    const RELAXED: FunctionFacts = FunctionFacts {
        clp: ClpFacts {
            maxstbl: 4096,
            relaxed: true,
            ..ClpFacts::UNTOLD
        },
        bars: [1 << 48, 0, 4096, 0, 0, 0],
    };

    const STRICT: FunctionFacts = FunctionFacts {
        clp: ClpFacts {
            maxstbl: 128,
            ..ClpFacts::UNTOLD
        },
        ..RELAXED
    };

    fn block(pcias: u8, offset: u64, length: u16, source: u64) -> Access {
        Access {
            op: Op::StoreBlock,
            place: Place {
                pcias,
                offset,
                length,
            },
            operand: Operand::Block { source },
            status: Gpr::new(1),
        }
    }

    fn register(pcias: u8, offset: u64, length: u16) -> Access {
        Access {
            operand: Operand::Result(Gpr::new(1)),
            ..block(pcias, offset, length, 0)
        }
    }

    #[test]
    fn a_relaxed_function_takes_any_length_and_alignment_within_a_page() {
        for (offset, length, source) in [
            (0, 1, 0),
            (7, 11, 3),
            (0xFFF, 1, 1),
            (0x1000, 4096, 8),
            ((1 << 48) - 8, 8, 0),
        ] {
            assert_eq!(check(&block(0, offset, length, source), &RELAXED), Ok(()));
        }
        for (offset, length) in [(0, 0), (0xFFF, 2), (1, 4096), (0, 4097), (0, 8191)] {
            let refused = check(&block(0, offset, length, 0), &RELAXED);
            assert_eq!(refused, Err(SPECIFICATION), "{offset:#x} {length}");
        }
    }

    #[test]
    fn a_strict_function_takes_aligned_multiples_of_8_above_8() {
        for length in [16, 24, 128] {
            assert_eq!(check(&block(0, 8, length, 8), &STRICT), Ok(()));
        }
        for (offset, length, source) in [
            (4, 16, 0),
            (0, 8, 0),
            (0, 12, 0),
            (0, 16, 4),
            (0, 136, 0),
            (0xFF8, 16, 0),
        ] {
            let refused = check(&block(0, offset, length, source), &STRICT);
            assert_eq!(refused, Err(SPECIFICATION), "{offset:#x} {length} {source}");
        }
    }

    #[test]
    fn a_form_is_judged_before_a_place() {
        assert_eq!(check(&block(2, 4096, 8, 0), &RELAXED), Err(OPERAND));
        assert_eq!(check(&block(2, 4090, 6, 0), &RELAXED), Ok(()));
        assert_eq!(check(&block(2, 8190, 4, 0), &RELAXED), Err(SPECIFICATION));
        assert_eq!(check(&block(0, u64::MAX, 1, 0), &RELAXED), Err(OPERAND));
        assert_eq!(check(&block(1, 0, 8, 0), &RELAXED), Err(OPERAND));
    }

    #[test]
    fn a_register_access_stays_within_its_doubleword() {
        for (offset, length) in [(0, 8), (7, 1), (4, 4), (0, 3)] {
            assert_eq!(check(&register(2, offset, length), &STRICT), Ok(()));
        }
        for (offset, length) in [(0, 0), (0, 9), (1, 8), (7, 2), (4096, 8)] {
            let refused = check(&register(2, offset, length), &RELAXED);
            assert_eq!(refused, Err(OPERAND), "{offset} {length}");
        }
    }
}
