//! Two functions in one guest. Each sees only its own accesses. Both share one interrupt summary bit.

use super::make::{HANDLES, MOVERS, case, grouped, into_dmb};
use super::spaces::BAR2_SCRATCH;
use super::{commands, controls};
use crate::plan::case::Case;
use crate::plan::instruction::Instruction::{Pcilg, Pcistg};
use crate::probe::layout::DMA_ADDRESS;

fn second(case: Case) -> Case {
    Case {
        id: format!("second-{}", case.id),
        ..case.of_function(1)
    }
}

/// Loads, stores and controls of the second function, with accesses to the first one between them.
pub(super) fn cases() -> Vec<Case> {
    let bar2 =
        |id: &str, instruction, length| case(instruction, id).at(2, BAR2_SCRATCH + 0x500, length);
    let mut cases = vec![
        second(into_dmb("block-8", 0x100, 8)),
        second(into_dmb("block-16", 0x100, 16)),
        second(into_dmb("block-256", 0x200, 256)),
        second(bar2("plain", Pcistg, 8)),
        second(bar2("load", Pcilg, 8)),
        second(case(Pcilg, "config").at(15, 0, 4)),
        // The same instruction to both functions, one directly after the other.
        bar2("both-first-store", Pcistg, 8),
        second(bar2("both-store", Pcistg, 8)).joined(true),
        bar2("both-first-load", Pcilg, 8),
        second(bar2("both-load", Pcilg, 8)).joined(true),
        second(controls::refresh("rpcit", DMA_ADDRESS, 0x1000)),
        second(controls::store("controls")),
    ];
    let [handles @ .., _zero] = HANDLES;
    for (handle, name) in handles {
        for (instruction, length) in MOVERS {
            let id = format!("{}-handle-{name}", instruction.name());
            cases.push(second(bar2(&id, instruction, length)).with_handle(handle));
        }
    }
    grouped("second-function", cases)
}

/// Interrupts of both functions, with and without clearing the summary bit between them.
pub(super) fn interrupts() -> Vec<Case> {
    let mut cases = commands::interrupt_of(1, "second-signal-ieq", true);
    // The first function again: its vector and the shared summary bit work as before.
    cases.extend(commands::interrupt_of(0, "first-again-signal-ieq", true));
    // Both functions, and the summary bit stays set between them. So there is no second interrupt, but the
    // vector's bit is set.
    cases.extend(commands::interrupt_of(0, "shared-first-signal-ieq", true));
    cases.extend(commands::interrupt_of(1, "shared-second-signal-ieq", false));
    cases
}
