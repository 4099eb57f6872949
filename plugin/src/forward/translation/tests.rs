// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;
use crate::cpu::fake::{FakeCpu, PSW_64_DAT};

/// Addresses of the tables. Each has one valid entry.
const SEGMENTS: u64 = 0xC000;
const PAGES: u64 = 0x5000;
const THIRDS: u64 = 0x6000;

/// Maps virtual address 0x0030_1000 to absolute 0x2000, through a segment and a page table.
fn cpu() -> FakeCpu {
    let mut cpu = FakeCpu::default();
    cpu.controls[1] = SEGMENTS;
    cpu.controls[0] = ENHANCED_DAT;
    put(&mut cpu, SEGMENTS + 3 * 8, PAGES);
    put(&mut cpu, PAGES + 8, 0x2000);
    for page in [0, 2, 3] {
        put(&mut cpu, PAGES + page * 8, PAGE_INVALID);
    }
    cpu
}

#[track_caller]
fn put(cpu: &mut FakeCpu, at: u64, value: u64) {
    assert!(cpu.write_absolute(at, &value.to_be_bytes()));
}

fn fault(code: u16, page: u64) -> ProgramException {
    ProgramException {
        code,
        translation: Some(page | 0x800),
    }
}

#[test]
fn the_first_page_that_is_missing_is_told() {
    let cpu = cpu();
    assert_eq!(reach(&cpu, 0x0030_1000, false), Ok(()));
    assert_eq!(
        access_exception(&cpu, 0x0030_1FFF, 2),
        fault(0x11, 0x0030_2000)
    );
    assert_eq!(
        access_exception(&cpu, 0x0030_0FF0, 4096),
        fault(0x11, 0x0030_0000)
    );
}

#[test]
fn each_table_has_its_own_exception() {
    let mut cpu = cpu();
    put(&mut cpu, SEGMENTS + 4 * 8, INVALID);
    assert_eq!(
        reach(&cpu, 0x0040_0000, false),
        Err(fault(0x10, 0x0040_0000))
    );
    // The segment table has one quarter: 512 MiB.
    assert_eq!(
        reach(&cpu, 0x2000_0000, false),
        Err(fault(0x10, 0x2000_0000))
    );
    assert_eq!(
        reach(&cpu, 0x8000_0000, false),
        Err(fault(0x38, 0x8000_0000))
    );
    cpu.controls[1] = THIRDS | 0x04;
    put(&mut cpu, THIRDS, SEGMENTS | 0x04);
    assert_eq!(reach(&cpu, 0x0030_1000, false), Ok(()));
    put(&mut cpu, THIRDS + 8, INVALID);
    assert_eq!(
        reach(&cpu, 0x8000_0000, false),
        Err(fault(0x3B, 0x8000_0000))
    );
    cpu.controls[1] = THIRDS | 0x08;
    assert_eq!(reach(&cpu, 0, false), Err(TRANSLATION_SPECIFICATION));
    put(&mut cpu, THIRDS, INVALID);
    assert_eq!(reach(&cpu, 0, false), Err(fault(0x3A, 0)));
    cpu.controls[1] = THIRDS | 0x0C;
    assert_eq!(reach(&cpu, 0, false), Err(fault(0x39, 0)));
}

#[test]
fn a_table_offset_leaves_out_the_first_quarters() {
    let mut cpu = cpu();
    cpu.controls[1] = THIRDS | 0x04;
    put(&mut cpu, THIRDS, SEGMENTS | 0x04 | 1 << 6 | 1);
    assert_eq!(
        reach(&cpu, 0x0030_1000, false),
        Err(fault(0x10, 0x0030_1000))
    );
}

#[test]
fn large_frames_end_the_walk() {
    let mut cpu = cpu();
    put(&mut cpu, SEGMENTS + 5 * 8, LARGE_FRAME);
    assert_eq!(reach(&cpu, 0x0050_2000, false), Ok(()));
    assert_eq!(translate(&cpu, 0, 0x0050_2000), Ok(0x2000));
    put(&mut cpu, SEGMENTS + 5 * 8, 0x0070_0000 | LARGE_FRAME);
    assert_eq!(translate(&cpu, 0, 0x0050_2000), Ok(0x0070_2000));
    assert_eq!(reach(&cpu, 0x0050_2000, false), Err(ADDRESSING));
}

#[test]
fn home_space_has_its_own_tables_and_shows_in_the_identification() {
    let mut cpu = cpu();
    cpu.controls[13] = cpu.controls[1];
    cpu.controls[1] = !REAL_SPACE;
    cpu.mask = PSW_64_DAT | 3 << 46;
    assert_eq!(reach(&cpu, 0x0030_1000, false), Ok(()));
    assert_eq!(
        reach(&cpu, 0x0030_2000, false),
        Err(fault(0x11, 0x0030_2003))
    );
    cpu.controls[13] = REAL_SPACE;
    assert_eq!(reach(&cpu, 0x2000, false), Ok(()));
}

#[test]
fn memory_that_is_not_there_is_an_addressing_exception() {
    let mut cpu = cpu();
    put(&mut cpu, PAGES + 8, 0x7FFF_0000);
    assert_eq!(access_exception(&cpu, 0x0030_1000, 8), ADDRESSING);
    cpu.controls[1] = 0x7FFF_0000;
    assert_eq!(reach(&cpu, 0x0030_1000, false), Err(ADDRESSING));
    cpu.mask &= !PSW_DAT;
    assert_eq!(access_exception(&cpu, 0x7FFF_0000, 1), ADDRESSING);
    assert_eq!(reach(&cpu, 0x1000, false), Ok(()));
}

#[test]
fn the_secondary_space_is_read_by_its_own_tables() {
    let mut cpu = cpu();
    cpu.controls[7] = cpu.controls[1];
    cpu.controls[1] = 0;
    cpu.mask = PSW_64_DAT | SECONDARY_SPACE << PSW_SPACE;
    put(&mut cpu, PAGES + 2 * 8, 0x4000);
    put(&mut cpu, 0x2FF8, 0x0102_0304_0506_0708);
    put(&mut cpu, 0x4000, 0x1112_1314_1516_1718);
    let mut block = Vec::new();
    assert_eq!(append_block(&cpu, 0x0030_1FFE, 4, &mut block), Ok(()));
    assert_eq!(block, [7, 8, 0x11, 0x12]);
    let missing = ProgramException {
        code: 0x11,
        translation: Some(0x0030_3802),
    };
    assert_eq!(append_block(&cpu, 0x0030_2FFF, 2, &mut block), Err(missing));
}

#[test]
fn a_protected_page_can_be_read_but_not_stored_to() {
    let mut cpu = cpu();
    put(&mut cpu, PAGES + 8, 0x2000 | PROTECTED);
    assert_eq!(reach_all(&cpu, 0x0030_1000, 80, false), Ok(()));
    let protection = ProgramException {
        code: 0x04,
        translation: Some(0x0030_1400),
    };
    assert_eq!(reach_all(&cpu, 0x0030_1000, 80, true), Err(protection));
}
