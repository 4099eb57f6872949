//! The built-in plan: all combinations where there are few, boundary values where there are many.

mod block;
mod clp;
mod commands;
mod controls;
mod error_state;
mod make;
mod moves;
mod neighbour;
mod plain;
mod privileged;
mod refusals;
mod spaces;
mod translation;
mod vectors;

use super::case::Case;

pub(super) fn cases() -> Vec<Case> {
    [
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
        // Fences fail if a function is in error or disabled.
        error_state::error(),
        commands::removal(),
        error_state::disabled(),
        controls::measurement(),
    ]
    .concat()
}

#[cfg(test)]
mod tests;
