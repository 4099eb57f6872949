//! Code, tables and payloads put together.

use super::elf::{Segment, executable};
use super::layout::{
    CLP_FUNCTION, CLP_GROUP, CLP_LIST, CLP_SET, CODE, DMA_ADDRESS, DMA_LENGTH, DMA_MEMORY,
    FIB_INTERRUPTS, FIB_TRANSLATION, ISC, MAILBOX, MEMORY, PAGE_TABLE, PAYLOADS, PSW_64, PSW_WAIT,
    QUIESCE, RECORDS, REGION_TABLE, SEGMENT_TABLE, SETUP_BLOCKS, variable,
};
use super::record::{Record, flag};
use super::setup::setup;
use super::{clp, fib, program};
use crate::plan::Plan;
use s390x_asm::AssembleError;
use std::cmp::Ordering;
use thiserror::Error;

/// Why no image could be made.
#[derive(Debug, Error)]
pub enum ImageError {
    /// The program does not assemble: an error of this crate.
    #[error("the probe program does not assemble")]
    Assemble(#[from] AssembleError),
    /// The plan's payloads do not fit in guest memory.
    #[error("the plan's payloads need {needed} bytes of guest memory, {available} are there")]
    TooLarge {
        /// Bytes wanted.
        needed: u64,
        /// Bytes there are.
        available: u64,
    },
}

/// The probe for one plan.
#[derive(Debug, Clone)]
pub struct Image {
    /// The file that QEMU's `-kernel` takes.
    pub elf: Vec<u8>,
    /// Names of the set-up's steps, which come before the plan's cases in the results.
    pub setup: Vec<String>,
}

impl Image {
    /// Guest memory that the probe needs, in bytes.
    pub const MEMORY: u64 = MEMORY;

    /// Makes the probe. `wanted` is device and vendor, or `None` for the first function of any kind. The guest does the
    /// whole set-up, passes over the plan's cases before `first`, and executes the others; `first` may be the number of
    /// a joined case, which then gets a fence.
    ///
    /// # Errors
    /// A plan whose payloads do not fit.
    pub fn of_plan(
        plan: &Plan,
        wanted: Option<(u16, u16)>,
        first: usize,
    ) -> Result<Self, ImageError> {
        let setup = setup();
        let mut records: Vec<u8> = setup
            .steps
            .iter()
            .flat_map(|step| step.record.to_bytes())
            .collect();
        let mut payloads = Vec::new();
        for (index, (tag, case)) in (0..).zip(&plan.cases).enumerate() {
            let source = place(&mut payloads, case.source, &case.payload_bytes(tag));
            let mut record = Record::of_case(case, tag, source);
            match index.cmp(&first) {
                Ordering::Less => record.never_run(),
                Ordering::Equal => record.flags |= flag::FENCE,
                Ordering::Greater => {}
            }
            records.extend(record.to_bytes());
        }
        let end = PAYLOADS + payloads.len() as u64;
        if end > MEMORY {
            return Err(ImageError::TooLarge {
                needed: end - PAYLOADS,
                available: MEMORY - PAYLOADS,
            });
        }
        let count = setup.steps.len() + plan.cases.len();
        let mut segments = vec![
            Segment {
                address: CODE,
                bytes: program::program()?,
            },
            Segment {
                address: MAILBOX,
                bytes: mailbox(wanted, count as u64),
            },
            Segment {
                address: CLP_LIST,
                bytes: clp::list(),
            },
            Segment {
                address: CLP_FUNCTION,
                bytes: clp::query_function(),
            },
            Segment {
                address: CLP_GROUP,
                bytes: clp::query_group(),
            },
            Segment {
                address: CLP_SET,
                bytes: clp::enable(),
            },
            Segment {
                address: FIB_INTERRUPTS,
                bytes: fib::interrupts().to_vec(),
            },
            Segment {
                address: FIB_TRANSLATION,
                bytes: fib::translation().to_vec(),
            },
            Segment {
                address: SETUP_BLOCKS,
                bytes: setup.blocks,
            },
        ];
        segments.extend(translation_tables());
        segments.push(Segment {
            address: RECORDS,
            bytes: records,
        });
        segments.push(Segment {
            address: PAYLOADS,
            bytes: payloads,
        });
        segments.retain(|segment| !segment.bytes.is_empty());
        Ok(Self {
            elf: executable(CODE, &segments),
            setup: setup.steps.into_iter().map(|step| step.name).collect(),
        })
    }
}

/// Appends `bytes` so that they start `offset` bytes into a page; the address.
fn place(payloads: &mut Vec<u8>, offset: u16, bytes: &[u8]) -> u64 {
    while payloads.len() % 4096 != usize::from(offset) {
        payloads.push(0);
    }
    let address = PAYLOADS + payloads.len() as u64;
    payloads.extend(bytes);
    // What follows a payload must not look like more of it.
    payloads.extend([0x55; 16]);
    address
}

fn mailbox(wanted: Option<(u16, u16)>, count: u64) -> Vec<u8> {
    let mut bytes = vec![0; 0x230];
    let wanted = wanted.map_or(0, |(vendor, device)| {
        (u64::from(device) << 16) | u64::from(vendor)
    });
    let values = [
        (variable::WANTED, wanted),
        (variable::COUNT, count),
        (variable::DONE_PSW, PSW_64 | PSW_WAIT),
        (variable::DONE_PSW + 8, QUIESCE),
        (variable::CRASH_PSW, PSW_64 | PSW_WAIT),
        (variable::CRASH_PSW + 8, QUIESCE),
        (variable::HANDLER_MASK, PSW_64),
        (variable::CONTROL_6, 0x8000_0000 >> ISC),
    ];
    for (at, value) in values {
        for (slot, byte) in bytes.iter_mut().skip(at as usize).zip(value.to_be_bytes()) {
            *slot = byte;
        }
    }
    bytes
}

/// One entry in each upper table, and a page table for the window (Linux `arch/s390/include/asm/pci_dma.h`).
fn translation_tables() -> Vec<Segment> {
    let entry = |table: u64, index: u64, value: u64| Segment {
        address: table + 8 * index,
        bytes: value.to_be_bytes().to_vec(),
    };
    let region_third_full_length = 0x7;
    let pages = (0..DMA_LENGTH / 4096)
        .flat_map(|page| (DMA_MEMORY + page * 4096).to_be_bytes())
        .collect();
    vec![
        entry(
            REGION_TABLE,
            (DMA_ADDRESS >> 31) & 0x7ff,
            SEGMENT_TABLE | region_third_full_length,
        ),
        entry(SEGMENT_TABLE, (DMA_ADDRESS >> 20) & 0x7ff, PAGE_TABLE),
        Segment {
            address: PAGE_TABLE + 8 * ((DMA_ADDRESS >> 12) & 0xff),
            bytes: pages,
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::{Image, RECORDS};
    use crate::plan::{Case, Instruction, Plan};
    use crate::probe::record::{SIZE, field, flag};

    /// A word of the plan's case with this number, in a probe that begins at `first`.
    fn word(first: usize, case: usize, field: i32) -> u64 {
        let mut plan = Plan {
            cases: vec![
                Case::new("a", "", Instruction::Pcilg),
                Case::new("b", "", Instruction::Pcilg),
                Case::new("c", "", Instruction::Pcilg),
            ],
            ..Plan::default()
        };
        plan.cases[2].joined = true;
        let image = Image::of_plan(&plan, None, first).expect("fits");
        let headers = image.elf[64..].chunks(56).take(20);
        let offset = headers
            .map(|header| header[8..24].split_at(8))
            .find(|(_, address)| *address == RECORDS.to_be_bytes())
            .map(|(offset, _)| u64::from_be_bytes(offset.try_into().expect("8 bytes")))
            .expect("the segment with records");
        let at = offset as usize + SIZE * (image.setup.len() + case) + field as usize;
        u64::from_be_bytes(image.elf[at..at + 8].try_into().expect("8 bytes"))
    }

    #[test]
    fn cases_before_the_first_do_not_run_and_the_first_has_a_fence() {
        for first in 0..3 {
            for case in 0..3 {
                let flags = word(first, case, field::FLAGS);
                let runs = word(first, case, field::CONDITION) == 0;
                assert_eq!(runs, case >= first, "{first} {case}");
                assert_eq!(flags & flag::IF_EQUAL != 0, !runs);
                let fence = case < 2 || case == first;
                assert_eq!(flags & flag::FENCE != 0, fence, "{first} {case}");
            }
        }
    }
}
