//! Places each case's block, and makes the guest's own translation tables.
//!
//! The three address spaces map the program to itself, and each page of the window to a page of its own: the space that the
//! case uses leads to the payload, the others to its complement. Virtual addresses never equal real ones there, and pages
//! that are neighbours in the window are none in real memory. Table formats: z/Architecture Principles of Operation,
//! chapter 3.

use super::elf::Segment;
use super::layout::{
    FRAMES, FRAMES_END, GUEST_TABLES, MEMORY, OUTPUTS, OUTPUTS_END, PAYLOADS, PAYLOADS_END, WINDOW,
    WINDOW_LENGTH,
};
use crate::plan::{Case, Operand};

const PAGE: u64 = 4096;
const SEGMENT: u64 = 1 << 20;
const SPACES: usize = 3;
/// Mebibytes of real memory that are mapped to themselves, with code and records.
const IDENTITY: u64 = 16;
/// Entries of a page table, and of a segment table of the shortest length.
const PAGE_ENTRIES: u64 = 256;
const SEGMENT_ENTRIES: u64 = 512;
/// Bits of table entries: invalid segment, invalid page, write-protected page.
const SEGMENT_INVALID: u64 = 0x20;
const PAGE_INVALID: u64 = 0x400;
const PAGE_PROTECTED: u64 = 0x200;
/// Segments of the window with a page table. The last segment has none.
const WINDOW_SEGMENTS: u64 = WINDOW_LENGTH / SEGMENT - 1;

const fn segment_table(space: usize) -> u64 {
    GUEST_TABLES + space as u64 * 8 * SEGMENT_ENTRIES
}

const fn identity_table(segment: u64) -> u64 {
    GUEST_TABLES + 0x4000 + segment * 8 * PAGE_ENTRIES
}

const fn window_table(space: usize, segment: u64) -> u64 {
    GUEST_TABLES + 0x1_0000 + (space as u64 * WINDOW_SEGMENTS + segment) * 8 * PAGE_ENTRIES
}

/// Address-space-control element of a space: primary 0, secondary 1, home 2.
pub(super) const fn designation(space: usize) -> u64 {
    segment_table(space)
}

/// Real memory: an address and a number of bytes.
pub(super) type Span = (u64, usize);

/// A block as the instruction sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// Logical address.
    pub address: u64,
    /// The real memory of its bytes. Empty if there is none.
    pub spans: Vec<Span>,
}

/// The bytes after each block at a real address.
pub(super) const GUARD: [u8; 16] = [0x55; 16];

/// The table entries of the window, and the contents of memory.
#[derive(Debug)]
pub(super) struct Memory {
    payloads: u64,
    outputs: u64,
    frames: u64,
    page: u64,
    /// Bytes at real addresses.
    contents: Vec<Segment>,
    /// Entries of the window's page tables: space, page, entry.
    entries: Vec<(usize, u64, u64)>,
}

/// Not all blocks fit. The text names the memory without room.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full(pub &'static str);

fn align(address: u64, source: u16) -> u64 {
    let page = address & !(PAGE - 1);
    let here = page + u64::from(source);
    if here < address { here + PAGE } else { here }
}

impl Memory {
    /// Memory without any block.
    pub(super) fn new() -> Self {
        Self {
            payloads: PAYLOADS,
            outputs: OUTPUTS,
            frames: FRAMES,
            page: 0,
            contents: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// Finds a place for a case's block.
    ///
    /// # Errors
    /// The kind of memory that is full.
    pub(super) fn place(&mut self, case: &Case, bytes: &[u8]) -> Result<Block, Full> {
        match case.translation.control() {
            None => self.place_real(case, bytes),
            Some(control) => self.place_virtual(case, control, bytes),
        }
    }

    fn place_real(&mut self, case: &Case, bytes: &[u8]) -> Result<Block, Full> {
        let source = u64::from(case.source);
        let nowhere = |address| {
            Ok(Block {
                address,
                spans: Vec::new(),
            })
        };
        match case.operand {
            // If QEMU cuts this address to 31 bits, it finds payloads.
            Operand::Absent => return nowhere((1 << 32) + PAYLOADS + PAGE + source),
            Operand::SecondPageMissing => return nowhere(MEMORY - PAGE + source),
            _ => {}
        }
        let outputs = case.instruction.writes_block();
        let (next, end) = if outputs {
            (&mut self.outputs, OUTPUTS_END)
        } else {
            (&mut self.payloads, PAYLOADS_END)
        };
        let address = align(*next, case.source);
        // The bytes after a payload must differ from it. They also show writes after the end.
        *next = address + bytes.len() as u64 + GUARD.len() as u64;
        if *next > end {
            return Err(Full(if outputs { "outputs" } else { "payloads" }));
        }
        let mut contents = bytes.to_vec();
        contents.extend(GUARD);
        self.contents.push(Segment {
            address,
            bytes: contents,
        });
        Ok(Block {
            address,
            spans: vec![(address, bytes.len())],
        })
    }

    /// A page of real memory. With `output`, a page that the host reads.
    fn frame(&mut self, output: bool) -> Result<u64, Full> {
        let (next, end) = if output {
            (&mut self.outputs, OUTPUTS_END)
        } else {
            (&mut self.frames, FRAMES_END)
        };
        let frame = next.next_multiple_of(PAGE);
        *next = frame + PAGE;
        if *next > end {
            return Err(Full("pages"));
        }
        Ok(frame)
    }

    fn place_virtual(&mut self, case: &Case, control: u8, bytes: &[u8]) -> Result<Block, Full> {
        let source = usize::from(case.source);
        // Access register 4 names the secondary space.
        let used = match control {
            0 => 0,
            3 => 2,
            _ => 1,
        };
        if case.operand == Operand::SegmentMissing {
            return Ok(Block {
                address: WINDOW + WINDOW_SEGMENTS * SEGMENT + source as u64,
                spans: Vec::new(),
            });
        }
        let pages = (source + bytes.len()).div_ceil(4096).max(1) as u64;
        let first = self.page;
        // One page after each block stays invalid.
        self.page += pages + 1;
        if self.page > WINDOW_SEGMENTS * PAGE_ENTRIES {
            return Err(Full("virtual pages"));
        }
        let complement: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
        let mut spans = Vec::new();
        for page in 0..pages {
            let missing = match case.operand {
                Operand::PageMissing => page == 0,
                Operand::SecondPageMissing => page == 1,
                _ => false,
            };
            let from = (page as usize * 4096).saturating_sub(source);
            let to = ((page as usize + 1) * 4096 - source).min(bytes.len());
            let at = if page == 0 { source as u64 } else { 0 };
            for space in 0..SPACES {
                let own = space == used;
                if own && missing {
                    continue;
                }
                if own && case.operand == Operand::Absent {
                    self.entries.push((space, first + page, MEMORY + PAGE));
                    continue;
                }
                let frame = self.frame(own && case.instruction.writes_block())?;
                let protected = case.operand == Operand::WriteProtected && own;
                let flags = if protected { PAGE_PROTECTED } else { 0 };
                self.entries.push((space, first + page, frame | flags));
                let whole = if own { bytes } else { &complement };
                let part = whole.get(from..to).unwrap_or_default();
                self.contents.push(Segment {
                    address: frame + at,
                    bytes: part.to_vec(),
                });
                if own {
                    spans.push((frame + at, part.len()));
                }
            }
        }
        Ok(Block {
            address: WINDOW + first * PAGE + source as u64,
            spans,
        })
    }

    /// All segments to load: blocks and tables.
    pub(super) fn segments(self) -> Vec<Segment> {
        let mut segments = self.contents;
        for segment in 0..IDENTITY {
            let pages = (0..PAGE_ENTRIES)
                .flat_map(|page| (segment * SEGMENT + page * PAGE).to_be_bytes())
                .collect();
            segments.push(Segment {
                address: identity_table(segment),
                bytes: pages,
            });
        }
        for space in 0..SPACES {
            let entry = |segment: u64| {
                let window = segment
                    .checked_sub(WINDOW / SEGMENT)
                    .filter(|index| *index < WINDOW_SEGMENTS);
                match window {
                    _ if segment < IDENTITY => identity_table(segment),
                    Some(index) => window_table(space, index),
                    None => SEGMENT_INVALID,
                }
            };
            segments.push(Segment {
                address: segment_table(space),
                bytes: (0..SEGMENT_ENTRIES)
                    .flat_map(|segment| entry(segment).to_be_bytes())
                    .collect(),
            });
            let mut table = vec![PAGE_INVALID; (WINDOW_SEGMENTS * PAGE_ENTRIES) as usize];
            for (_, page, entry) in self.entries.iter().filter(|entry| entry.0 == space) {
                if let Some(slot) = table.get_mut(*page as usize) {
                    *slot = *entry;
                }
            }
            segments.push(Segment {
                address: window_table(space, 0),
                bytes: table.iter().flat_map(|entry| entry.to_be_bytes()).collect(),
            });
        }
        segments
    }
}

#[cfg(test)]
#[path = "memory/tests.rs"]
mod tests;
