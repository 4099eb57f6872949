//! The default plan: a full matrix where it is small, boundary values where it is large.

mod block;
mod clp;
mod commands;
mod controls;
mod error_state;
mod moves;
mod neighbour;
mod plain;
mod privileged;
mod refusals;
mod translation;
mod vectors;

use super::{Plan, SCHEMA_VERSION};

/// Where cases touch BAR 2: behind the command window, so that no pattern is taken for a command.
const BAR2_SCRATCH: u64 = 0x800;

/// Size of BAR 0 of an ISM function.
const BAR0_SIZE: u64 = 1 << 48;

/// Size of BAR 2 of an ISM function.
const BAR2_SIZE: u64 = 0x1000;

pub(super) fn plan() -> Plan {
    let cases = [
        block::lengths(),
        block::offsets(),
        block::sources(),
        plain::stores(),
        plain::loads(),
        plain::config(),
        vectors::cases(),
        commands::driver(),
        moves::moves(),
        moves::order(),
        refusals::handles(),
        refusals::spaces(),
        refusals::registers(),
        refusals::mio(),
        clp::facts(),
        clp::refusals(),
        privileged::cases(),
        translation::spaces(),
        translation::access(),
        neighbour::cases(),
        commands::interrupt(),
        neighbour::interrupts(),
        controls::cases(),
        // Fences fail where a function is in error or disabled.
        error_state::error(),
        commands::removal(),
        error_state::disabled(),
        controls::measurement(),
    ]
    .concat();
    Plan {
        schema_version: SCHEMA_VERSION,
        name: "default".into(),
        seed: None,
        cases,
    }
}

#[cfg(test)]
mod tests;
