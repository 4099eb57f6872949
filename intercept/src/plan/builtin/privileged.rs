//! Instructions in problem state: every zPCI instruction ends in a privileged-operation exception, and no function sees it.

use super::clp::{facts_block, query};
use super::controls;
use super::spaces::BAR2_SCRATCH;
use crate::plan::case::{Case, Patch, Translation, Variable};
use crate::plan::fact::Fact;
use crate::plan::instruction::Instruction;
use crate::plan::payload::Payload;
use crate::probe::fib;
use crate::probe::layout::DMA_ADDRESS;

fn case(instruction: Instruction) -> Case {
    Case::new("", "", instruction)
}

/// One of each instruction, as it would succeed in supervisor state.
fn each() -> Vec<Case> {
    let bar2 = |instruction, length| Case {
        space: 2,
        offset: BAR2_SCRATCH,
        length,
        ..case(instruction)
    };
    vec![
        bar2(Instruction::Pcistb, 8),
        bar2(Instruction::Pcistb, 16),
        bar2(Instruction::Pcistg, 8),
        bar2(Instruction::Pcilg, 8),
        Case {
            space: 15,
            length: 4,
            offset: 0x10,
            ..case(Instruction::Pcilg)
        },
        Case {
            offset: DMA_ADDRESS,
            length: 0x1000,
            ..case(Instruction::Rpcit)
        },
        Case {
            operation: 3,
            payload: Payload::Bytes(vec![0; fib::LENGTH]),
            ..case(Instruction::Mpcifc)
        },
        case(Instruction::Stpcifc),
        Case {
            payload: Payload::Bytes(facts_block(Fact::ChannelId)),
            patch: Some(Patch {
                value: Variable::Handle,
                at: 16,
            }),
            ..case(Instruction::Clp)
        },
        case(Instruction::Sic),
        case(Instruction::Chsc),
        bar2(Instruction::Pcistbi, 16),
        bar2(Instruction::Pcistgi, 8),
        bar2(Instruction::Pcilgi, 8),
        case(Instruction::Pciwb),
    ]
}

/// All of them, and some again with translation on; then what shows that nothing of it was carried out.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (number, case) in (0..).zip(each()) {
        let name = case.instruction.name();
        cases.push(Case {
            id: format!("problem-state-{name}-{number}"),
            group: "problem-state".into(),
            problem_state: true,
            ..case
        });
    }
    for (number, case) in (0..).zip(each()) {
        if !case.instruction.has_block() || case.instruction.is_mio() {
            continue;
        }
        let name = case.instruction.name();
        cases.push(Case {
            id: format!("problem-state-primary-{name}-{number}"),
            group: "problem-state".into(),
            problem_state: true,
            translation: Translation::Primary,
            ..case
        });
    }
    // Bad operands change nothing: the state of the CPU is looked at first.
    cases.push(Case {
        id: "problem-state-odd-register".into(),
        group: "problem-state".into(),
        problem_state: true,
        odd_register: true,
        space: 2,
        length: 8,
        ..case(Instruction::Pcilg)
    });
    cases.push(controls::store(
        "problem-state-left-registered",
        "problem-state",
    ));
    cases.push(query("problem-state-left-enabled", "problem-state"));
    cases
}
