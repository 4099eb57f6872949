//! RPCIT, MPCIFC and STPCIFC, and the event that reports an error.
//!
//! Sources: QEMU `hw/s390x/s390-pci-inst.c`, and the names of operations and statuses in Linux
//! `arch/s390/include/asm/pci_insn.h`. If neither says what a function may do, both results are right.

use super::state::{ENTERED_ERROR, ErrorState, Registered, operation};
use super::{OPERAND, Reference, Refusal, SPECIFICATION, other_instance};
use crate::plan::{Case, Field, Payload, fid};
use crate::probe::fib;
use crate::probe::layout::{DMA_ADDRESS, DMA_LENGTH};

/// Out of sequence: already registered, not registered, or not in error.
const SEQUENCE: Refusal = Refusal::Condition(1, Some(24));
/// No such DMA address space.
const BAD_DMA_SPACE: Refusal = Refusal::Condition(1, Some(28));
/// The function is in error and must recover first.
const RECOVER: Refusal = Refusal::Condition(1, Some(40));
/// Number of bytes that a region third table can translate.
const TRANSLATABLE: u64 = 1 << 42;
/// Bits of a translation designation: translation on, and the kind of table.
const TRANSLATION_ON: u64 = 1 << 11;
const TABLE_KIND: u64 = 7 << 2;
const REGION_THIRD: u64 = 1 << 2;

/// Bits of a function information block: enabled, blocked, in error, translation registered.
const ENABLED: u8 = 0x80;
const BLOCKED: u8 = 0x40;
const IN_ERROR: u8 = 0x20;
const TRANSLATES: u8 = 0x10;

impl Reference<'_> {
    /// Returns true if both a refusal and success are right.
    pub(super) fn refresh(&self, case: &Case, refusals: &mut Vec<Refusal>) -> bool {
        let controls = self.controls(case.function);
        if case.odd_register {
            refusals.push(SPECIFICATION);
        }
        if controls.error != ErrorState::No {
            refusals.push(RECOVER);
            // After loads and stores work again, QEMU accepts a refresh of translations.
            return controls.error == ErrorState::Unblocked;
        }
        let end = case.offset.checked_add(case.length);
        let inside =
            case.offset >= DMA_ADDRESS && end.is_some_and(|end| end <= DMA_ADDRESS + DMA_LENGTH);
        let overlaps =
            end.is_some_and(|end| end > DMA_ADDRESS) && case.offset < DMA_ADDRESS + DMA_LENGTH;
        let error = Refusal::Condition(1, Some(ENTERED_ERROR));
        match &controls.translation {
            Registered::Yes(_) if inside => false,
            Registered::Yes(_) => {
                refusals.push(error);
                overlaps
            }
            Registered::No => {
                refusals.push(error);
                false
            }
            Registered::Unknown => {
                refusals.push(error);
                true
            }
        }
    }

    /// Returns true if both a refusal and success are right.
    pub(super) fn control(&self, case: &Case, refusals: &mut Vec<Refusal>) -> bool {
        let controls = self.controls(case.function);
        let block: &[u8] = match &case.payload {
            Payload::Bytes(bytes) => bytes,
            Payload::Pattern => &[],
        };
        if !case.source.is_multiple_of(8) {
            refusals.push(SPECIFICATION);
        }
        if block.first().is_some_and(|format| *format != 0) {
            refusals.push(OPERAND);
        }
        let of_dma_space = matches!(
            case.operation,
            operation::REGISTER_TRANSLATION
                | operation::DEREGISTER_TRANSLATION
                | operation::REREGISTER_TRANSLATION
        );
        if of_dma_space && case.space != 0 {
            refusals.push(BAD_DMA_SPACE);
        }
        let mut wants = |registered: &Registered, yes: bool| match registered {
            Registered::Unknown => {
                refusals.push(SEQUENCE);
                true
            }
            other => {
                if matches!(other, Registered::Yes(_)) != yes {
                    refusals.push(SEQUENCE);
                }
                false
            }
        };
        match case.operation {
            operation::REGISTER_INTERRUPTS => wants(&controls.interrupts, false),
            operation::DEREGISTER_INTERRUPTS => wants(&controls.interrupts, true),
            operation::REGISTER_TRANSLATION => {
                wants(&controls.translation, false) | self.window(block, refusals)
            }
            operation::DEREGISTER_TRANSLATION => wants(&controls.translation, true),
            operation::REREGISTER_TRANSLATION => {
                wants(&controls.translation, true) | self.window(block, refusals)
            }
            operation::RESET_ERROR => {
                if controls.error == ErrorState::No {
                    refusals.push(SEQUENCE);
                }
                false
            }
            operation::RESET_BLOCK => {
                if controls.error != ErrorState::Blocked {
                    refusals.push(SEQUENCE);
                }
                false
            }
            operation::SET_MEASURE => {
                if !fib::word(block, fib::MEASUREMENT).is_multiple_of(16) {
                    refusals.push(Refusal::Condition(1, None));
                }
                false
            }
            _ => {
                refusals.push(OPERAND);
                false
            }
        }
    }

    /// Checks a window of DMA addresses. Returns true if no source says what is right.
    fn window(&self, block: &[u8], refusals: &mut Vec<Refusal>) -> bool {
        let base = fib::word(block, fib::BASE) & !0xfff;
        let limit = fib::word(block, fib::LIMIT) | 0xfff;
        let designation = fib::word(block, fib::DESIGNATION);
        if base > limit || base < self.facts.start_dma || limit > self.facts.end_dma {
            refusals.push(OPERAND);
            return false;
        }
        // QEMU translates by region third tables only, and without translation only where its group offers that. A function
        // may do more.
        let on = designation & TRANSLATION_ON != 0;
        let usual = on && designation & TABLE_KIND == REGION_THIRD && limit < TRANSLATABLE;
        if !usual && refusals.is_empty() {
            refusals.push(OPERAND);
            return true;
        }
        false
    }

    /// The block that STPCIFC stores. The flag is true if both a refusal and success are right.
    pub(super) fn store_controls(
        &self,
        case: &Case,
        refusals: &mut Vec<Refusal>,
        fields: &mut Vec<Field>,
    ) -> bool {
        if case.space != 0 {
            refusals.push(BAD_DMA_SPACE);
        }
        if !case.source.is_multiple_of(8) {
            refusals.push(SPECIFICATION);
        }
        let controls = self.controls(case.function);
        let byte = |at, value: u8, mask: u8| Field {
            at,
            bytes: vec![value],
            mask: vec![mask],
        };
        let word = |at, value: u64| Field {
            at,
            bytes: value.to_be_bytes().to_vec(),
            mask: vec![0xff; 8],
        };
        fields.push(byte(0, 0, 0xff));
        if !controls.enabled {
            fields.push(byte(8, 0, ENABLED));
            return other_instance(case.handle);
        }
        let (error, bits) = match controls.error {
            ErrorState::No => (0, BLOCKED | IN_ERROR),
            ErrorState::Blocked => (BLOCKED | IN_ERROR, BLOCKED | IN_ERROR),
            // Linux names the operation after the state that it ends, QEMU after the state that remains.
            ErrorState::Unblocked => (0, 0),
        };
        let (translates, bit) = match (&controls.translation, controls.error) {
            (Registered::Yes(_), ErrorState::No) => (TRANSLATES, TRANSLATES),
            (Registered::No, ErrorState::No) => (0, TRANSLATES),
            _ => (0, 0),
        };
        fields.push(byte(8, ENABLED | error | translates, ENABLED | bits | bit));
        if let Registered::Yes(block) = &controls.translation {
            fields.extend([
                word(fib::BASE, fib::word(block, fib::BASE) & !0xfff),
                word(fib::LIMIT, fib::word(block, fib::LIMIT) | 0xfff),
                word(fib::DESIGNATION, fib::word(block, fib::DESIGNATION)),
            ]);
        }
        if let Registered::Yes(block) = &controls.interrupts {
            let data = fib::word(block, fib::INTERRUPTS);
            fields.extend([
                Field {
                    at: fib::INTERRUPTS,
                    bytes: ((data >> 32) as u32).to_be_bytes().to_vec(),
                    mask: vec![0xff; 4],
                },
                word(fib::VECTOR, fib::word(block, fib::VECTOR)),
                word(fib::SUMMARY_BITS, fib::word(block, fib::SUMMARY_BITS)),
            ]);
        }
        fields.push(word(fib::MEASUREMENT, controls.measurement));
        other_instance(case.handle)
    }

    /// The block of "store event information": the oldest error event, or no event (Linux
    /// `drivers/s390/cio/chsc.h` and `arch/s390/pci/pci_event.c`).
    pub(super) fn event(&self, fields: &mut Vec<Field>) {
        let mut exact = |at: usize, bytes: &[u8]| {
            fields.push(Field {
                at,
                bytes: bytes.to_vec(),
                mask: vec![0xff; bytes.len()],
            });
        };
        let Some(event) = self.events.front() else {
            exact(18, &[0, 5]);
            return;
        };
        exact(18, &[0, 1]);
        exact(23, &[2]);
        exact(27, &[1]);
        exact(84, &self.facts.of(event.function).handle.to_be_bytes());
        exact(88, &fid(usize::from(event.function)).to_be_bytes());
        exact(96, &event.range.0.to_be_bytes());
    }
}
