// SPDX-License-Identifier: GPL-2.0-or-later
//! Decides which moves (stores to the data BAR) may end before the server has answered.
//!
//! On hardware, a PCISTB is posted: the function's error state reports an error later. The plugin posts a
//! move only if its outcome is known: the server has accepted a move of the same token, element and signal
//! flag that reached at least as far, and the function has executed no command since. Layout of a data
//! address: Linux `drivers/s390/net/ism.h`.

use std::collections::HashMap;

use zpci_region::request::Op;

use super::access::Access;
use super::settings::Moves;

/// Number of the BAR with the data space.
const DATA_BAR: u8 = 0;
/// Width of the offset in a data address (bits 22 to 0). Token, element and signal flag are above it.
const OFFSET_BITS: u32 = 23;
/// Bit 23 of a data address: the move signals the DMB's owner.
const SIGNAL: u64 = 1 << 23;
/// Largest number of remembered targets. A guest with more waits for more of its moves.
const MOST: usize = 4096;

/// The target of a move: token, element and signal flag, and the end of its bytes in the DMB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    flags: u64,
    end: u64,
}

impl Target {
    /// Returns the target of an access that may be posted.
    pub(crate) fn of(access: &Access, moves: Moves) -> Option<Self> {
        let place = access.place;
        let posted = match moves {
            Moves::Waited => false,
            Moves::Data => place.offset & SIGNAL == 0,
            Moves::Posted => true,
        };
        (posted && access.op == Op::StoreBlock && place.pcias == DATA_BAR).then(|| Self {
            flags: place.offset >> OFFSET_BITS,
            end: (place.offset & (SIGNAL - 1)) + u64::from(place.length),
        })
    }
}

/// The targets that the server has accepted.
#[derive(Debug, Default)]
pub(crate) struct Accepted(HashMap<u64, u64>);

impl Accepted {
    /// True if the outcome of a move to this target is known.
    pub(crate) fn has(&self, target: Target) -> bool {
        self.0
            .get(&target.flags)
            .is_some_and(|end| target.end <= *end)
    }

    /// Records that the server accepted a move to this target.
    pub(crate) fn add(&mut self, target: Target) {
        if self.0.len() >= MOST && !self.0.contains_key(&target.flags) {
            self.0.clear();
        }
        let end = self.0.entry(target.flags).or_default();
        *end = (*end).max(target.end);
    }

    /// Records that the server refused a move to this target.
    pub(crate) fn remove(&mut self, target: Target) {
        self.0.remove(&target.flags);
    }

    /// Forgets all targets, because a command may change them.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Gpr;
    use crate::forward::access::Operand;
    use crate::forward::message::Place;

    const TOKEN: u64 = 0xD000_0000_0000;

    fn access(pcias: u8, offset: u64, length: u16) -> Access {
        Access {
            op: Op::StoreBlock,
            place: Place {
                pcias,
                offset,
                length,
            },
            operand: Operand::Block { source: 0 },
            status: Gpr::new(2),
        }
    }

    fn target(offset: u64, length: u16) -> Target {
        Target::of(&access(0, offset, length), Moves::Posted).unwrap()
    }

    #[test]
    fn only_block_stores_to_the_data_bar_are_posted_and_only_if_asked_for() {
        let data = access(0, TOKEN | 32, 8);
        let signal = access(0, TOKEN | SIGNAL, 44);
        let posted = |access, moves| Target::of(&access, moves).is_some();
        assert!(posted(data, Moves::Posted) && posted(signal, Moves::Posted));
        assert!(posted(data, Moves::Data) && !posted(signal, Moves::Data));
        assert!(!posted(data, Moves::Waited));
        assert!(!posted(access(2, 8, 8), Moves::Posted), "the command BAR");
        let register = Access {
            op: Op::Store,
            ..data
        };
        assert!(!posted(register, Moves::Posted));
    }

    #[test]
    fn an_outcome_is_known_as_far_as_a_move_was_accepted() {
        let mut accepted = Accepted::default();
        assert!(!accepted.has(target(TOKEN, 1)));
        accepted.add(target(TOKEN | 64, 64));
        accepted.add(target(TOKEN | 8, 8));
        assert!(accepted.has(target(TOKEN | 120, 8)));
        assert!(!accepted.has(target(TOKEN | 121, 8)), "one byte further");
        for other in [TOKEN + (1 << 32), TOKEN | SIGNAL, TOKEN | 1 << 24] {
            assert!(!accepted.has(target(other, 8)), "{other:#x}");
        }
        accepted.remove(target(TOKEN, 1));
        assert!(!accepted.has(target(TOKEN, 1)));
        accepted.add(target(TOKEN, 1));
        accepted.clear();
        assert!(!accepted.has(target(TOKEN, 1)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut accepted = Accepted::default();
        for token in 1..=3 * MOST as u64 {
            accepted.add(target(token << 32, 8));
            assert!(accepted.0.len() <= MOST);
        }
        assert!(accepted.has(target((3 * MOST as u64) << 32, 8)));
    }
}
