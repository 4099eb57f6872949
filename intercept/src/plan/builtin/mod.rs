//! The default plan: a full matrix where it is small, boundary values where it is large.

mod block;
mod commands;
mod controls;
mod moves;
mod plain;
mod refusals;

use super::{Case, Plan, SCHEMA_VERSION};

/// Where cases touch BAR 2: behind the command window, so that no pattern is taken for a command.
const BAR2_SCRATCH: u64 = 0x800;

/// Size of BAR 0 of an ISM function.
const BAR0_SIZE: u64 = 1 << 48;

/// Size of BAR 2 of an ISM function.
const BAR2_SIZE: u64 = 0x1000;

pub(super) fn plan() -> Plan {
    let mut cases: Vec<Case> = Vec::new();
    cases.extend(block::lengths());
    cases.extend(block::offsets());
    cases.extend(block::sources());
    cases.extend(plain::stores());
    cases.extend(plain::loads());
    cases.extend(plain::config());
    cases.extend(commands::driver());
    cases.extend(moves::moves());
    cases.extend(moves::order());
    cases.extend(refusals::handles());
    cases.extend(refusals::spaces());
    cases.extend(refusals::registers());
    cases.extend(refusals::mio());
    cases.extend(commands::interrupt());
    cases.extend(commands::removal());
    cases.extend(controls::cases());
    Plan {
        schema_version: SCHEMA_VERSION,
        name: "default".into(),
        seed: None,
        cases,
    }
}

#[cfg(test)]
mod tests;
