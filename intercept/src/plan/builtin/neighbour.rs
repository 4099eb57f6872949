//! Two functions in one guest: each sees what is meant for it, and both have one interrupt summary bit.

use super::block::into_dmb;
use super::spaces::BAR2_SCRATCH;
use super::{commands, controls};
use crate::plan::case::{Base, Case, Handle};
use crate::plan::instruction::Instruction;
use crate::probe::layout::DMA_ADDRESS;

const GROUP: &str = "second-function";

fn second(case: Case) -> Case {
    Case {
        id: format!("second-{}", case.id),
        group: GROUP.into(),
        function: 1,
        ..case
    }
}

/// Loads, stores and controls of the second function, and the first one between them.
pub(super) fn cases() -> Vec<Case> {
    let bar2 = |id: &str, instruction, length| Case {
        space: 2,
        offset: BAR2_SCRATCH + 0x500,
        length,
        ..Case::new(id, GROUP, instruction)
    };
    let joined = |case| Case {
        joined: true,
        ..case
    };
    let mut cases = vec![
        second(into_dmb("block-8".into(), GROUP, 0x100, 8)),
        second(into_dmb("block-16".into(), GROUP, 0x100, 16)),
        second(into_dmb("block-256".into(), GROUP, 0x200, 256)),
        second(bar2("plain", Instruction::Pcistg, 8)),
        second(bar2("load", Instruction::Pcilg, 8)),
        second(Case {
            space: 15,
            length: 4,
            ..Case::new("config", GROUP, Instruction::Pcilg)
        }),
        // The same instruction to both, right after each other.
        bar2("both-first-store", Instruction::Pcistg, 8),
        joined(second(bar2("both-store", Instruction::Pcistg, 8))),
        bar2("both-first-load", Instruction::Pcilg, 8),
        joined(second(bar2("both-load", Instruction::Pcilg, 8))),
        second(Case {
            offset: DMA_ADDRESS,
            length: 0x1000,
            ..Case::new("rpcit", GROUP, Instruction::Rpcit)
        }),
        second(controls::store("controls", GROUP)),
    ];
    for (handle, name) in [
        (Handle::Disabled, "disabled"),
        (Handle::Unknown, "unknown"),
        (Handle::Stale, "stale"),
    ] {
        for (instruction, length) in [
            (Instruction::Pcistb, 16),
            (Instruction::Pcistg, 8),
            (Instruction::Pcilg, 8),
        ] {
            let id = format!("{}-handle-{name}", instruction.name());
            cases.push(second(Case {
                handle,
                base: Base::Space,
                ..bar2(&id, instruction, length)
            }));
        }
    }
    cases
}

/// Interrupts of both, with and without the summary bit cleared between them.
pub(super) fn interrupts() -> Vec<Case> {
    let mut cases = commands::interrupt_of(1, "second-signal-ieq", true);
    // The first function again: its vector and the shared summary bit work as before.
    cases.extend(commands::interrupt_of(0, "first-again-signal-ieq", true));
    // Both, and the summary bit stays set between them: no second interrupt is due, but the vector's bit is.
    cases.extend(commands::interrupt_of(0, "shared-first-signal-ieq", true));
    cases.extend(commands::interrupt_of(1, "shared-second-signal-ieq", false));
    cases
}
