//! Instructions in problem state. Every zPCI instruction ends in a privileged-operation exception, and no
//! function sees it.

use super::make::case;
use super::spaces::BAR2_SCRATCH;
use super::{clp, controls, make};
use crate::plan::case::{Case, Translation};
use crate::plan::fact::Fact;
use crate::plan::instruction::Instruction;
use crate::probe::fib;
use crate::probe::layout::DMA_ADDRESS;

/// One case for each instruction. It would succeed in supervisor state.
fn each() -> Vec<Case> {
    let plain = |instruction| case(instruction, "");
    let bar2 = |instruction, length| plain(instruction).at(2, BAR2_SCRATCH, length);
    vec![
        bar2(Instruction::Pcistb, 8),
        bar2(Instruction::Pcistb, 16),
        bar2(Instruction::Pcistg, 8),
        bar2(Instruction::Pcilg, 8),
        plain(Instruction::Pcilg).at(15, 0x10, 4),
        controls::refresh("", DMA_ADDRESS, 0x1000),
        controls::modify("", 3, [0; fib::LENGTH]),
        plain(Instruction::Stpcifc),
        clp::of_function("", clp::facts_block(Fact::ChannelId)),
        plain(Instruction::Sic),
        plain(Instruction::Chsc),
        bar2(Instruction::Pcistbi, 16),
        bar2(Instruction::Pcistgi, 8),
        bar2(Instruction::Pcilgi, 8),
        plain(Instruction::Pciwb),
    ]
}

/// All of them, and some again with translation on. The last cases show that nothing was carried out.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (number, case) in (0..).zip(each()) {
        let name = case.instruction.name();
        cases.push(Case {
            id: format!("problem-state-{name}-{number}"),
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
            problem_state: true,
            translation: Translation::Primary,
            ..case
        });
    }
    // Bad operands change nothing, because QEMU first checks the state of the CPU.
    cases.push(Case {
        problem_state: true,
        odd_register: true,
        ..case(Instruction::Pcilg, "problem-state-odd-register").at(2, 0, 8)
    });
    cases.push(controls::store("problem-state-left-registered"));
    cases.push(clp::query("problem-state-left-enabled"));
    make::grouped("problem-state", cases)
}
