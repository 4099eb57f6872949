// SPDX-License-Identifier: GPL-2.0-or-later
use super::fake::{FakeCpu, PSW_64_DAT};
use super::{condition_code, effective_address, read_logical, real_to_absolute, write_logical};
use crate::decode::{Gpr, StorageOperand};

#[test]
fn prefixing_trades_the_low_8_kib_with_the_prefix_area() {
    assert_eq!(real_to_absolute(0x8C, 0x8000), 0x808C);
    assert_eq!(real_to_absolute(0x1FFF, 0x8000), 0x9FFF);
    assert_eq!(real_to_absolute(0x8010, 0x8000), 0x10);
    assert_eq!(real_to_absolute(0x2000, 0x8000), 0x2000);
    assert_eq!(real_to_absolute(0x8C, 0), 0x8C);
}

#[test]
fn without_translation_a_read_goes_through_the_prefix_page_by_page() {
    let mut cpu = FakeCpu {
        mask: PSW_64_DAT & !(1 << 58),
        ..FakeCpu::default()
    };
    cpu.absolute_memory[0x9FFE..0xA000].copy_from_slice(&[1, 2]);
    cpu.absolute_memory[0x2000..0x2002].copy_from_slice(&[3, 4]);
    assert_eq!(read_logical(&cpu, 0x1FFE, 4), Some(vec![1, 2, 3, 4]));
}

#[test]
fn with_translation_a_read_is_virtual_and_may_be_empty() {
    let mut cpu = FakeCpu::default();
    cpu.virtual_memory[0x10..0x12].copy_from_slice(&[5, 6]);
    assert_eq!(read_logical(&cpu, 0x10, 2), Some(vec![5, 6]));
    assert_eq!(read_logical(&cpu, 0x10, 0), Some(vec![]));
    assert_eq!(read_logical(&cpu, 0x3FFF, 2), None);
}

#[test]
fn addresses_wrap_in_the_addressing_mode() {
    let mut cpu = FakeCpu::default();
    cpu.gprs[3] = 0x1_8000_0010;
    cpu.gprs[4] = 0x20;
    let operand = StorageOperand {
        base: Some(Gpr::new(3)),
        index: Some(Gpr::new(4)),
        displacement: -0x31,
    };
    assert_eq!(effective_address(&cpu, operand), Some(0x1_7FFF_FFFF));
    cpu.mask &= !(1 << 32);
    assert_eq!(effective_address(&cpu, operand), Some(0x7FFF_FFFF));
    cpu.mask &= !(1 << 31);
    assert_eq!(effective_address(&cpu, operand), Some(0x00FF_FFFF));
    let absolute = StorageOperand {
        base: None,
        index: None,
        displacement: 0x40,
    };
    assert_eq!(effective_address(&cpu, absolute), Some(0x40));
}

#[test]
fn the_condition_code_is_bits_18_and_19_of_the_psw() {
    assert_eq!(condition_code(3 << 44), 3);
    assert_eq!(condition_code(!(2 << 44)), 1);
}

#[test]
fn a_write_goes_where_a_read_would() {
    let mut cpu = FakeCpu::default();
    assert!(write_logical(&mut cpu, 0x3FFC, &[1, 2, 3, 4]));
    assert!(!write_logical(&mut cpu, 0x3FFD, &[1, 2, 3, 4]));
    assert_eq!(cpu.virtual_memory[0x3FFC..], [1, 2, 3, 4]);
    cpu.mask &= !(1 << 58);
    assert!(write_logical(&mut cpu, 0x1FFE, &[5, 6, 7, 8]));
    assert_eq!(cpu.absolute_memory[0x9FFE..0xA000], [5, 6]);
    assert_eq!(cpu.absolute_memory[0x2000..0x2002], [7, 8]);
}
