use super::{Memory, PAGE_INVALID, PAGE_PROTECTED, SEGMENT_INVALID, designation};
use crate::plan::{Case, Instruction, Operand, Translation};
use crate::probe::layout::{MEMORY, WINDOW};
use std::collections::BTreeMap;

/// Memory after the host has loaded it.
struct Loaded(BTreeMap<u64, u8>);

impl Loaded {
    #[track_caller]
    fn of(memory: Memory) -> Self {
        let mut bytes = BTreeMap::new();
        for segment in memory.segments() {
            for (address, byte) in (segment.address..).zip(segment.bytes) {
                assert_eq!(bytes.insert(address, byte), None, "{address:#x} twice");
            }
        }
        Self(bytes)
    }

    fn word(&self, address: u64) -> u64 {
        (address..address + 8).fold(0, |word, at| (word << 8) | u64::from(self.0[&at]))
    }

    /// The page-table entry of a virtual address, or the invalid segment-table entry.
    fn entry(&self, space: usize, address: u64) -> u64 {
        let segment = self.word(designation(space) + 8 * (address >> 20));
        if segment & SEGMENT_INVALID != 0 {
            return segment;
        }
        self.word(segment + 8 * (address >> 12 & 0xff))
    }

    #[track_caller]
    fn byte(&self, space: usize, address: u64) -> u8 {
        let entry = self.entry(space, address);
        assert_eq!(entry & (PAGE_INVALID | SEGMENT_INVALID), 0);
        self.0[&((entry & !0xfff) + (address & 0xfff))]
    }
}

fn block(source: u16, length: u64) -> Case {
    Case {
        source,
        length,
        translation: Translation::Secondary,
        ..Case::new("", "", Instruction::Pcistb)
    }
}

#[test]
fn a_space_leads_to_the_payload_and_the_others_to_its_complement() {
    let mut memory = Memory::new();
    let bytes: Vec<u8> = (0..64).collect();
    let place = memory.place(&block(4064, 64), &bytes).expect("fits");
    let loaded = Loaded::of(memory);
    assert_eq!(place.address, WINDOW + 4064);
    for (address, byte) in (place.address..).zip(&bytes) {
        assert_eq!(loaded.byte(1, address), *byte);
        assert_eq!(loaded.byte(0, address), !*byte);
        assert_eq!(loaded.byte(2, address), !*byte);
    }
    let frame = |page: u64| loaded.entry(1, WINDOW + page * 4096);
    assert_ne!(frame(1), frame(0) + 4096, "neighbours are not adjacent");
    assert_ne!(frame(0), WINDOW, "virtual is not real");
    assert_eq!(place.spans, [(frame(0) + 4064, 32), (frame(1), 32)]);
    assert_eq!(loaded.entry(1, WINDOW + 2 * 4096), PAGE_INVALID);
}

#[test]
fn the_program_is_mapped_to_itself_in_every_space() {
    let loaded = Loaded::of(Memory::new());
    for space in 0..3 {
        for address in [0, 0x2_0000, 0x10_0000, 0xff_f000] {
            assert_eq!(loaded.entry(space, address), address);
        }
        assert_eq!(loaded.entry(space, 0x100_0000), SEGMENT_INVALID);
    }
}

#[test]
fn blocks_that_are_not_there_are_missing_where_the_case_says() {
    let mut memory = Memory::new();
    let mut address = |operand, instruction| {
        let case = Case {
            operand,
            instruction,
            ..block(4088, 16)
        };
        memory.place(&case, &[7; 16]).expect("fits").address
    };
    let missing = address(Operand::PageMissing, Instruction::Pcistb);
    let second = address(Operand::SecondPageMissing, Instruction::Pcistb);
    let segment = address(Operand::SegmentMissing, Instruction::Pcistb);
    let absent = address(Operand::Absent, Instruction::Pcistb);
    let protected = address(Operand::WriteProtected, Instruction::Stpcifc);
    let loaded = Loaded::of(memory);
    assert_eq!(loaded.entry(1, missing), PAGE_INVALID);
    assert_eq!(loaded.byte(1, second), 7);
    assert_eq!(loaded.entry(1, second + 8), PAGE_INVALID);
    assert_eq!(loaded.entry(1, segment), SEGMENT_INVALID);
    assert!(loaded.entry(1, absent) >= MEMORY);
    assert_eq!(loaded.entry(1, protected) & PAGE_PROTECTED, PAGE_PROTECTED);
    assert_eq!(loaded.entry(0, protected) & PAGE_PROTECTED, 0);
}

#[test]
fn real_blocks_reach_beyond_memory_where_the_case_says() {
    let mut memory = Memory::new();
    let mut place = |operand| {
        let case = Case {
            translation: Translation::Off,
            operand,
            ..block(4088, 16)
        };
        memory.place(&case, &[7; 16]).expect("fits")
    };
    assert!(place(Operand::Absent).address >= MEMORY);
    assert_eq!(place(Operand::SecondPageMissing).address, MEMORY - 8);
    let present = place(Operand::Present);
    assert_eq!(present.address % 4096, 4088);
    assert_eq!(present.spans, [(present.address, 16)]);
}
