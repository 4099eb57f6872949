//! Block stores, register stores and loads: their form, their operands, and the BAR that they reach.

use super::refusal::{Refusal, Where, exception};
use super::{BAD_SPACE, Model, OPERAND, Reference, SPECIFICATION, VECTOR_BAR};
use crate::plan::{Case, Instruction, Operand};

impl Reference<'_> {
    /// Checks the instruction's block. Returns whether it cannot be read or written.
    pub(super) fn unreachable_block(&self, case: &Case, refusals: &mut Vec<Refusal>) -> bool {
        if !case.instruction.has_block() {
            return false;
        }
        let at = |code, page| {
            Refusal::Access(
                code,
                Where {
                    page,
                    space: case.translation.control().unwrap_or(0),
                    // CLP and CHSC read their block before they write to it.
                    store: case.instruction == Instruction::Stpcifc
                        || code == exception::PROTECTION,
                },
            )
        };
        let addressing = Refusal::Exception(exception::ADDRESSING);
        let translated = case.translation.control().is_some();
        let refusal = match case.operand {
            Operand::Present => None,
            Operand::Absent => Some(addressing),
            Operand::PageMissing => Some(at(exception::PAGE_TRANSLATION, 0)),
            Operand::SegmentMissing => Some(at(exception::SEGMENT_TRANSLATION, 0)),
            Operand::SecondPageMissing if translated => Some(at(exception::PAGE_TRANSLATION, 1)),
            Operand::SecondPageMissing => Some(addressing),
            Operand::WriteProtected => case
                .instruction
                .writes_block()
                .then(|| at(exception::PROTECTION, 0)),
        };
        refusals.extend(refusal);
        refusal.is_some()
    }

    /// Checks that a BAR exists and holds the whole access.
    fn reach(&self, case: &Case, refusals: &mut Vec<Refusal>) {
        let size = match self.facts.bar_sizes.get(usize::from(case.space)) {
            Some(0) | None => {
                refusals.extend([BAD_SPACE, OPERAND]);
                return;
            }
            Some(exponent) => 1_u64.checked_shl(u32::from(*exponent)).unwrap_or(u64::MAX),
        };
        if self
            .offset(case)
            .checked_add(case.length)
            .is_none_or(|end| end > size)
        {
            refusals.push(OPERAND);
        }
    }

    /// Returns true if both a refusal and success are right.
    pub(super) fn block(&self, case: &Case, refusals: &mut Vec<Refusal>) -> bool {
        if case.space > 5 {
            refusals.push(BAD_SPACE);
            return false;
        }
        let offset = self.offset(case);
        let maximum = match self.model {
            Model::Relaxed => u64::from(self.maximum),
            Model::Strict => u64::from(self.maximum.min(self.facts.maxstbl)),
        };
        let strict_form = !case.length.is_multiple_of(8)
            || case.length <= 8
            || !offset.is_multiple_of(8)
            || !case.source.is_multiple_of(8);
        let broken_form = case.length == 0
            || case.length > maximum
            || (offset % 4096) + case.length > 4096
            || (self.model == Model::Strict && strict_form);
        if broken_form {
            refusals.push(SPECIFICATION);
        }
        self.reach(case, refusals);
        // The MSI-X table is for register accesses. No source says whether it accepts blocks.
        if refusals.is_empty() && case.space == VECTOR_BAR {
            refusals.push(OPERAND);
            return true;
        }
        false
    }

    /// Returns true if an access of this length may be refused or carried out.
    pub(super) fn register(&self, case: &Case, refusals: &mut Vec<Refusal>) -> bool {
        if case.odd_register {
            refusals.push(SPECIFICATION);
        }
        let window = match case.space {
            0..=5 => {
                self.reach(case, refusals);
                8
            }
            15 => 4,
            _ => {
                refusals.push(BAD_SPACE);
                return false;
            }
        };
        let crosses = case.length == 0 || (self.offset(case) % window) + case.length > window;
        if crosses || (case.space == 15 && case.length == 3) {
            refusals.push(OPERAND);
        }
        // No source says what happens to 3, 5, 6 or 7 bytes, or to an access that is not naturally aligned.
        // Linux makes none. Both a refusal and a complete access are right.
        let usual = case.length.is_power_of_two() && self.offset(case).is_multiple_of(case.length);
        if refusals.is_empty() && !usual {
            refusals.push(OPERAND);
            return true;
        }
        false
    }
}
