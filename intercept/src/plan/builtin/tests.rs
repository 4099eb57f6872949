use crate::plan::Plan;
use crate::plan::case::{Base, Case, Operand, Translation};
use crate::plan::fact::Fact;
use crate::plan::instruction::Instruction;
use std::collections::BTreeSet;
use strum::IntoEnumIterator;

fn lengths(space: u8) -> BTreeSet<u64> {
    Plan::default()
        .cases
        .iter()
        .filter(|case| case.group == "pcistb-length" && case.space == space)
        .map(|case| case.length)
        .collect()
}

#[test]
fn the_plan_is_valid() {
    assert_eq!(Plan::default().check(), Ok(()));
}

#[test]
fn every_block_length_is_tried_on_both_spaces() {
    let asked: Vec<u64> = (1..=16)
        .chain([
            24, 32, 64, 120, 127, 128, 129, 136, 255, 256, 1024, 4095, 4096,
        ])
        .collect();
    for space in [0, 2] {
        let have = lengths(space);
        assert!(
            asked.iter().all(|length| have.contains(length)),
            "space {space}: {have:?}"
        );
    }
}

#[test]
fn every_misalignment_of_offset_and_buffer_is_tried() {
    let plan = Plan::default();
    for misalignment in 0..8 {
        assert!(
            plan.cases.iter().any(|c| c.group == "pcistb-offset"
                && c.offset % 8 == misalignment
                && c.space == 2)
        );
        assert!(
            plan.cases
                .iter()
                .any(|c| c.group == "pcistb-source" && u64::from(c.source) == misalignment)
        );
    }
    assert!(
        plan.cases
            .iter()
            .any(|c| c.group == "pcistb-source" && u64::from(c.source) + c.length > 4096)
    );
}

#[test]
fn registers_of_every_size_and_the_other_instructions_are_tried() {
    let plan = Plan::default();
    for instruction in [Instruction::Pcistg, Instruction::Pcilg] {
        for length in [1, 2, 3, 4, 5, 6, 7, 8] {
            assert!(
                plan.cases
                    .iter()
                    .any(|c| c.instruction == instruction && c.length == length && c.space == 2)
            );
        }
    }
    for group in [
        "config",
        "linux-command",
        "move",
        "order",
        "handle",
        "space",
        "mio",
        "rpcit",
        "mpcifc",
        "interrupt",
    ] {
        assert!(plan.cases.iter().any(|case| case.group == group), "{group}");
    }
}

#[test]
fn a_move_signals_with_its_last_piece_only_and_stays_in_pages() {
    let plan = Plan::default();
    let pieces: Vec<_> = plan
        .cases
        .iter()
        .filter(|c| c.id.starts_with("move-odd-signalled"))
        .collect();
    assert_eq!(
        pieces.iter().map(|c| c.length).collect::<Vec<_>>(),
        [4057, 4096, 848]
    );
    assert_eq!(
        pieces.iter().map(|c| c.offset >> 23).collect::<Vec<_>>(),
        [0, 0, 1]
    );
    assert!(
        pieces
            .iter()
            .all(|c| c.offset % 4096 + c.length <= 4096 && c.base == Base::Dmb)
    );
}

#[test]
fn a_command_is_payload_then_header_then_loads() {
    let plan = Plan::default();
    let sequence: Vec<_> = plan
        .cases
        .iter()
        .filter(|c| c.id.starts_with("reg-dmb-"))
        .map(|c| (c.instruction, c.offset, c.length, c.joined))
        .collect();
    assert_eq!(
        sequence,
        [
            (Instruction::Pcistb, 8, 32, false),
            (Instruction::Pcistb, 0, 8, true),
            (Instruction::Pcilg, 0, 8, true),
            (Instruction::Pcilg, 8, 8, true),
        ]
    );
}

#[test]
fn every_instruction_is_tried_in_problem_state_and_in_every_space() {
    let plan = Plan::default();
    let some = |wanted: &dyn Fn(&Case) -> bool| plan.cases.iter().any(wanted);
    for instruction in [
        Instruction::Pcistb,
        Instruction::Pcistg,
        Instruction::Pcilg,
        Instruction::Rpcit,
        Instruction::Mpcifc,
        Instruction::Stpcifc,
        Instruction::Clp,
        Instruction::Sic,
        Instruction::Pcistbi,
        Instruction::Pcistgi,
        Instruction::Pcilgi,
        Instruction::Pciwb,
    ] {
        assert!(
            some(&|case| case.problem_state && case.instruction == instruction),
            "{instruction:?}"
        );
    }
    for translation in [
        Translation::Primary,
        Translation::Secondary,
        Translation::Home,
        Translation::AccessRegister,
    ] {
        for instruction in [
            Instruction::Pcistb,
            Instruction::Mpcifc,
            Instruction::Stpcifc,
            Instruction::Clp,
        ] {
            assert!(
                some(&|case| case.translation == translation && case.instruction == instruction),
                "{translation:?} {instruction:?}"
            );
        }
        for operand in [Operand::Absent, Operand::PageMissing] {
            assert!(
                some(&|case| case.translation == translation && case.operand == operand),
                "{translation:?} {operand:?}"
            );
        }
    }
    for operand in [
        Operand::SegmentMissing,
        Operand::SecondPageMissing,
        Operand::WriteProtected,
    ] {
        assert!(some(&|case| case.operand == operand), "{operand:?}");
    }
    for length in [257, 264, 272, 384, 512, 513, 520, 2049] {
        assert!(some(&|case| case.instruction == Instruction::Pcistb
            && case.length == length
            && case.space == 0));
    }
    for fact in Fact::iter() {
        assert!(some(&|case| case.fact == Some(fact)), "{fact:?}");
    }
}
