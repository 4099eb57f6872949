//! Makes the probe's image from code, tables and payloads.

use super::elf::{Segment, executable};
use super::layout::{
    CLP_LIST, CODE, DMA_ADDRESS, DMA_LENGTH, ISC, MAILBOX, MEMORY, PSW_64, PSW_WAIT, QUIESCE,
    RECORDS, SETUP_BLOCKS, area, dma_memory, function_area, page_table, region_table,
    segment_table, variable,
};
use super::memory::{self, Full, Memory, Span};
use super::record::{Record, flag};
use super::setup::setup;
use super::{clp, fib, program};
use crate::plan::{Case, Only, Plan, fid};
use s390x_asm::AssembleError;
use thiserror::Error;

/// A reason why the image cannot be made.
#[derive(Debug, Error)]
pub enum ImageError {
    /// The program does not assemble, which is an error of this crate.
    #[error("the probe program does not assemble")]
    Assemble(#[from] AssembleError),
    /// The plan's blocks do not fit in guest memory.
    #[error("the block of case {case} does not fit in guest memory any more: its {what} are full")]
    TooLarge {
        /// The first case without room.
        case: String,
        /// The kind of memory that it needs.
        what: &'static str,
    },
}

/// The abilities of QEMU and its machine. They decide which cases run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// Whether QEMU itself executes the functions' instructions, and not a plugin in its place.
    pub unforwarded: bool,
    /// Whether the CPU has access-register mode.
    pub access_registers: bool,
}

impl Abilities {
    fn can(self, case: &Case) -> bool {
        match case.only {
            Some(Only::Unforwarded) => self.unforwarded,
            Some(Only::AccessRegisters) => self.access_registers,
            Some(Only::Block | Only::Plain) | None => true,
        }
    }
}

/// The probe for one plan.
#[derive(Debug, Clone)]
pub struct Image {
    /// The file for QEMU's `-kernel`.
    pub elf: Vec<u8>,
    /// Names of the set-up's steps. In the results, they come before the plan's cases.
    pub setup: Vec<String>,
    /// For each case, the real memory of the block that its instruction writes.
    pub outputs: Vec<Vec<Span>>,
}

impl Image {
    /// Guest memory that the probe needs, in bytes.
    pub const MEMORY: u64 = MEMORY;

    /// Makes the probe. `wanted` is vendor and device of its functions.
    ///
    /// The guest does the whole set-up, skips the plan's cases before `first`, and executes the others.
    /// `first` may be the number of a joined case, which then gets a fence.
    ///
    /// # Errors
    /// A plan whose blocks do not fit.
    pub fn of_plan(
        plan: &Plan,
        wanted: (u16, u16),
        abilities: Abilities,
        first: usize,
    ) -> Result<Self, ImageError> {
        let functions = plan.functions();
        let setup = setup(functions);
        let mut records: Vec<u8> = setup
            .steps
            .iter()
            .flat_map(|step| step.record.to_bytes())
            .collect();
        let mut memory = Memory::new();
        let mut outputs = Vec::new();
        for (index, (tag, case)) in (0..).zip(&plan.cases).enumerate() {
            let block = memory
                .place(case, &case.payload_bytes(tag))
                .map_err(|Full(what)| ImageError::TooLarge {
                    case: case.id.clone(),
                    what,
                })?;
            let payload = block.spans.first().map_or(0, |span| span.0);
            let mut record = Record::of_case(case, tag, block.address, payload);
            if index < first || !abilities.can(case) {
                record.never_run();
            } else if index == first {
                record.flags |= flag::FENCE;
            }
            records.extend(record.to_bytes());
            outputs.push(if case.instruction.writes_block() {
                block.spans
            } else {
                Vec::new()
            });
        }
        let count = setup.steps.len() + plan.cases.len();
        let mut segments = vec![
            segment(CODE, program::program(functions)?),
            segment(MAILBOX, mailbox(wanted, count as u64)),
            segment(CLP_LIST, clp::whole(clp::LIST)),
            segment(SETUP_BLOCKS, setup.blocks),
            segment(RECORDS, records),
        ];
        for function in 0..functions {
            segments.extend(function_segments(function));
        }
        segments.extend(memory.segments());
        segments.retain(|segment| !segment.bytes.is_empty());
        segments.sort_by_key(|segment| segment.address);
        Ok(Self {
            elf: executable(CODE, &merged(segments)),
            setup: setup.steps.into_iter().map(|step| step.name).collect(),
            outputs,
        })
    }
}

const fn segment(address: u64, bytes: Vec<u8>) -> Segment {
    Segment { address, bytes }
}

/// Merges segments across small gaps, which it fills with zeros. An ELF file has room for 65,535 segments,
/// and each costs QEMU time.
fn merged(segments: Vec<Segment>) -> Vec<Segment> {
    let gap = 0x1_0000;
    let mut merged: Vec<Segment> = Vec::new();
    for segment in segments {
        match merged.last_mut() {
            Some(last)
                if segment.address >= last.address + last.bytes.len() as u64
                    && segment.address - last.address < last.bytes.len() as u64 + gap =>
            {
                let start = (segment.address - last.address) as usize;
                last.bytes.resize(start, 0);
                last.bytes.extend(segment.bytes);
            }
            _ => merged.push(segment),
        }
    }
    merged
}

fn mailbox(wanted: (u16, u16), count: u64) -> Vec<u8> {
    let mut bytes = vec![0; 0x260];
    let (vendor, device) = wanted;
    let [primary, secondary, home] = variable::SPACES;
    // Access-list-entry token 1 is the secondary space; access registers have four bytes.
    let names_secondary_space = 1_u64 << 32;
    let values = [
        (
            variable::WANTED,
            (u64::from(device) << 16) | u64::from(vendor),
        ),
        (variable::COUNT, count),
        (variable::DONE_PSW, PSW_64 | PSW_WAIT),
        (variable::DONE_PSW + 8, QUIESCE),
        (variable::CRASH_PSW, PSW_64 | PSW_WAIT),
        (variable::CRASH_PSW + 8, QUIESCE),
        (variable::HANDLER_MASK, PSW_64),
        (variable::CONTROL_6, 0x8000_0000 >> ISC),
        (primary, memory::designation(0)),
        (secondary, memory::designation(1)),
        (home, memory::designation(2)),
        (variable::ACCESS_REGISTER, names_secondary_space),
    ];
    for (at, value) in values {
        for (slot, byte) in bytes.iter_mut().skip(at as usize).zip(value.to_be_bytes()) {
            *slot = byte;
        }
    }
    bytes
}

/// A function's area, and the tables that translate its DMA addresses: one entry in each upper table, and a
/// page table for the window (Linux `arch/s390/include/asm/pci_dma.h`).
fn function_segments(function: usize) -> Vec<Segment> {
    let at = function_area(function);
    let entry = |table: u64, index: u64, value: u64| {
        segment(table + 8 * index, value.to_be_bytes().to_vec())
    };
    let region_third_full_length = 0x7;
    let pages = (0..DMA_LENGTH / 4096)
        .flat_map(|page| (dma_memory(function) + page * 4096).to_be_bytes())
        .collect();
    vec![
        segment(
            at + area::FID,
            u64::from(fid(function)).to_be_bytes().to_vec(),
        ),
        segment(at + area::CLP_FUNCTION, clp::whole(clp::QUERY_FUNCTION)),
        segment(at + area::CLP_GROUP, clp::whole(clp::QUERY_GROUP)),
        segment(at + area::CLP_SET, clp::enable()),
        segment(
            at + area::FIB_INTERRUPTS,
            fib::interrupts(function).to_vec(),
        ),
        segment(
            at + area::FIB_TRANSLATION,
            fib::translation(function).to_vec(),
        ),
        entry(
            region_table(function),
            (DMA_ADDRESS >> 31) & 0x7ff,
            segment_table(function) | region_third_full_length,
        ),
        entry(
            segment_table(function),
            (DMA_ADDRESS >> 20) & 0x7ff,
            page_table(function),
        ),
        segment(
            page_table(function) + 8 * ((DMA_ADDRESS >> 12) & 0xff),
            pages,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::{Abilities, Image, RECORDS};
    use crate::plan::{Case, Instruction, Plan};
    use crate::probe::record::{SIZE, field, flag};

    /// A doubleword in the record of the plan's case with this number, in a probe that begins at `first`.
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
        let all = Abilities {
            unforwarded: true,
            access_registers: true,
        };
        let image = Image::of_plan(&plan, (1, 2), all, first).expect("fits");
        let word =
            |at: usize| u64::from_be_bytes(image.elf[at..at + 8].try_into().expect("8 bytes"));
        let address = RECORDS + (SIZE * (image.setup.len() + case)) as u64 + field as u64;
        let headers = usize::from(u16::from_be_bytes([image.elf[56], image.elf[57]]));
        let (offset, start) = (0..headers)
            .map(|header| {
                (
                    word(64 + 56 * header + 8),
                    word(64 + 56 * header + 16),
                    word(64 + 56 * header + 32),
                )
            })
            .find(|(_, start, length)| (*start..start + length).contains(&address))
            .map(|(offset, start, _)| (offset, start))
            .expect("the segment with records");
        word((offset + address - start) as usize)
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
