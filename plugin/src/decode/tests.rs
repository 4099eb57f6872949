// SPDX-License-Identifier: GPL-2.0-or-later
use super::{Gpr, Instruction, StorageOperand};

fn operand(base: u8, index: u8, displacement: i32) -> StorageOperand {
    let register = |n| (n != 0).then(|| Gpr::new(n));
    StorageOperand {
        base: register(base),
        index: register(index),
        displacement,
    }
}

#[test]
fn each_instruction_decodes_with_its_registers() {
    let r = Gpr::new;
    let cases: [(&[u8], Instruction, &str); 12] = [
        (
            &[0xEB, 0x23, 0x51, 0x23, 0x00, 0xD0],
            Instruction::StoreBlock {
                request: r(2),
                offset: r(3),
                source: operand(5, 0, 0x123),
            },
            "pcistb",
        ),
        (
            &[0xB9, 0xD0, 0, 0x14],
            Instruction::Store {
                data: r(1),
                request: r(4),
            },
            "pcistg",
        ),
        (
            &[0xB9, 0xD2, 0, 0x26],
            Instruction::Load {
                result: r(2),
                request: r(6),
            },
            "pcilg",
        ),
        (
            &[0xB9, 0xD3, 0, 0x38],
            Instruction::RefreshTranslations {
                function: r(3),
                range: r(8),
            },
            "rpcit",
        ),
        (
            &[0xEB, 0x9A, 0xB0, 0x08, 0x00, 0xD4],
            Instruction::StoreBlockMio {
                length: r(9),
                io_address: r(10),
                source: operand(11, 0, 8),
            },
            "pcistbi",
        ),
        (
            &[0xB9, 0xD4, 0, 0x5C],
            Instruction::StoreMio {
                data: r(5),
                io_address: r(12),
            },
            "pcistgi",
        ),
        (&[0xB9, 0xD5, 0, 0], Instruction::WriteBarrier, "pciwb"),
        (
            &[0xB9, 0xD6, 0, 0x7E],
            Instruction::LoadMio {
                result: r(7),
                io_address: r(14),
            },
            "pcilgi",
        ),
        (
            &[0xE3, 0x12, 0x30, 0x10, 0x00, 0xD0],
            Instruction::ModifyControls {
                control: r(1),
                block: operand(3, 2, 0x10),
            },
            "mpcifc",
        ),
        (
            &[0xE3, 0x40, 0x50, 0x00, 0x00, 0xD4],
            Instruction::StoreControls {
                control: r(4),
                block: operand(5, 0, 0),
            },
            "stpcifc",
        ),
        (
            &[0xEB, 0x12, 0x00, 0x00, 0x00, 0xD1],
            Instruction::SetInterruptionControls {
                mode: r(1),
                isc: r(2),
                block: operand(0, 0, 0),
            },
            "sic",
        ),
        (
            &[0xB9, 0xA0, 0x82, 0x13],
            Instruction::CallLogicalProcessor {
                result: r(1),
                block: r(3),
                query: 8,
                processor: 2,
            },
            "clp",
        ),
    ];
    for (bytes, expected, mnemonic) in cases {
        let decoded = Instruction::decode(bytes);
        assert_eq!(decoded, Some(expected), "{mnemonic}");
        assert_eq!(expected.mnemonic(), mnemonic);
        assert_eq!(usize::from(expected.size()), bytes.len(), "{mnemonic}");
    }
}

#[test]
fn displacement_is_signed_with_the_high_byte_on_top() {
    let source = |b, dl, dh| match Instruction::decode(&[0xEB, 0x12, b, dl, dh, 0xD0]) {
        Some(Instruction::StoreBlock { source, .. }) => source.displacement,
        other => panic!("expected a store block, got {other:?}"),
    };
    assert_eq!(source(0x1F, 0xFF, 0x7F), 0x7_FFFF);
    assert_eq!(source(0x1F, 0xFF, 0xFF), -1);
    assert_eq!(source(0x10, 0x00, 0x80), -0x8_0000);
}

#[test]
fn other_instructions_are_not_zpci() {
    for bytes in [
        &[0x07, 0xFE][..],
        &[0xB9, 0x04, 0x00, 0x12],             // LGR
        &[0xB9, 0xD1, 0x00, 0x12],             // unassigned between PCISTG and PCILG
        &[0xEB, 0x12, 0x30, 0x00, 0x00, 0x04], // LMG
        &[0xE3, 0x12, 0x30, 0x00, 0x00, 0x24], // STG
        &[0xEB, 0x12, 0x30, 0x00, 0x00],       // PCISTB cut short
        &[0xB9, 0xD0, 0x00],                   // PCISTG cut short
        &[],
    ] {
        assert_eq!(Instruction::decode(bytes), None, "{bytes:02x?}");
    }
}

#[test]
fn the_register_after_15_is_0() {
    assert_eq!(Gpr::new(15).next().number(), 0);
    assert_eq!(Gpr::new(4).next().number(), 5);
}

#[test]
fn interruption_controls_and_barrier_leave_the_condition_code() {
    let sets = |bytes: &[u8]| Instruction::decode(bytes).map(|i| i.sets_condition_code());
    assert_eq!(sets(&[0xEB, 0, 0, 0, 0, 0xD1]), Some(false));
    assert_eq!(sets(&[0xB9, 0xD5, 0, 0]), Some(false));
    assert_eq!(sets(&[0xB9, 0xD2, 0, 0]), Some(true));
}
