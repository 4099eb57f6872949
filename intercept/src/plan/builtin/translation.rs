//! Instructions with dynamic address translation on. Virtual and real addresses differ, and neighbouring
//! pages are not adjacent.

use super::make::{case, grouped, into_dmb};
use super::spaces::BAR2_SCRATCH;
use super::{clp, controls};
use crate::plan::case::{Case, Only, Operand, Translation};
use crate::plan::fact::Fact;
use crate::plan::instruction::Instruction;

const SPACES: [(Translation, &str); 4] = [
    (Translation::Primary, "primary"),
    (Translation::Secondary, "secondary"),
    (Translation::Home, "home"),
    (Translation::AccessRegister, "access-register"),
];

fn named(case: Case, id: String, translation: Translation) -> Case {
    Case {
        id,
        translation,
        only: (translation == Translation::AccessRegister).then_some(Only::AccessRegisters),
        ..case
    }
}

/// Instructions with a block in guest memory.
fn with_block() -> Vec<(&'static str, Case)> {
    let block = |source, length| into_dmb("", 0x600, length).with_source(source);
    let displaced = |displacement| Case {
        displacement,
        ..block(0x40, 32)
    };
    let crossing = |case: Case| case.with_source(4096 - 40);
    let interrupts = controls::interrupts_twice().with_source(0x100);
    let fact = Case {
        fact: Some(Fact::FunctionId),
        ..clp::of_function("", clp::facts_block(Fact::FunctionId))
    };
    vec![
        ("pcistb-8", block(0x208, 8)),
        ("pcistb-16", block(0x100, 16)),
        ("pcistb-64", block(0x100, 64)),
        ("pcistb-11", block(0x103, 11)),
        ("pcistb-crossing-16", block(4088, 16)),
        ("pcistb-crossing-128", block(4032, 128)),
        ("pcistb-crossing-4096", block(2048, 4096)),
        ("pcistb-displaced", displaced(-4096)),
        ("pcistb-displaced-far", displaced(0x7_fff8)),
        ("mpcifc", interrupts.clone()),
        ("mpcifc-crossing", crossing(interrupts)),
        ("stpcifc", controls::store("")),
        ("stpcifc-crossing", crossing(controls::store(""))),
        ("clp", fact),
    ]
}

/// Every instruction in every space. Translation must not affect instructions without a block.
pub(super) fn spaces() -> Vec<Case> {
    let mut cases = Vec::new();
    for (translation, space) in SPACES {
        for (name, case) in with_block() {
            cases.push(named(case, format!("{space}-{name}"), translation));
        }
        for instruction in [Instruction::Pcistg, Instruction::Pcilg] {
            let id = format!("{space}-{}", instruction.name());
            let case = case(instruction, "").at(2, BAR2_SCRATCH + 0x700, 8);
            cases.push(named(case, id, translation));
        }
    }
    grouped("translation", cases)
}

/// Blocks that cannot be read or written. The guest must get the right exception with the right address, and
/// no function may see an access. Some of these crash QEMUs, so the plan does not try every combination.
pub(super) fn access() -> Vec<Case> {
    let all = [
        "pcistb-8",
        "pcistb-16",
        "pcistb-crossing-16",
        "pcistb-crossing-4096",
        "mpcifc",
        "mpcifc-crossing",
        "stpcifc",
        "stpcifc-crossing",
    ];
    let few = ["pcistb-16", "pcistb-crossing-16", "stpcifc"];
    let one = ["pcistb-16"];
    let off = [
        (Operand::Absent, "absent"),
        (Operand::SecondPageMissing, "second-absent"),
    ];
    let on = [
        (Operand::Absent, "absent"),
        (Operand::PageMissing, "page"),
        (Operand::SegmentMissing, "segment"),
        (Operand::SecondPageMissing, "second-page"),
        (Operand::WriteProtected, "protected"),
    ];
    let [primary, secondary, home, access_register] = SPACES;
    let mut cases = Vec::new();
    let mut add = |(translation, space): (Translation, &str),
                   (operand, what): (Operand, &str),
                   names: &[&str]| {
        for (name, case) in with_block() {
            let crosses = usize::from(case.source) + case.payload_length() > 4096;
            if (operand == Operand::SecondPageMissing) == crosses && names.contains(&name) {
                let case = Case { operand, ..case };
                cases.push(named(case, format!("{space}-{name}-{what}"), translation));
            }
        }
    };
    for operand in off {
        add((Translation::Off, "real"), operand, &all);
    }
    for operand in on {
        let names: &[&str] = match operand.0 {
            Operand::SegmentMissing => &one,
            _ => &all,
        };
        add(primary, operand, names);
    }
    for operand in on {
        let names: &[&str] = match operand.0 {
            Operand::SegmentMissing => &[],
            Operand::PageMissing => &few,
            _ => &one,
        };
        add(secondary, operand, names);
        add(home, operand, &one);
        add(access_register, operand, &few);
    }
    grouped("access-exception", cases)
}
