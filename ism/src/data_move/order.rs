//! Rules about the order of data moves.
//!
//! Nothing marks the start of a move, so the rules compare neighbouring stores. For each writer and token,
//! they compare a store with the one right before it:
//!
//! - `data-after-signal`: the store before, or the last of a row of these violations, carried the signal
//!   flag, and this store adjoins the signalled bytes, above or below. Exempt is a store without the flag at
//!   offset 32 after `0..32` was signalled: SMC-D's message area ends there and its data begins (Linux 6.12
//!   `net/smc/smc_tx.c`).
//! - `descending-pieces`: this store ends where the one before started, the one before had no signal flag,
//!   and this store is not the signalled message `0..32`.
//!
//! A store that was refused, but not by these rules, ends the row: the driver begins its move again.
//!
//! So a 32-byte message at 0 after data at 32 breaks no rule, nor does data anywhere after a message.

use std::collections::BTreeMap;

use zpci_region::{Judgement, Rule, RuleSet, Severity};

use crate::layout::DataAddress;

const RULES: [Rule; 2] = [Rule::DataAfterSignal, Rule::DescendingPieces];

/// Bytes of the message area at the start of an SMC-D buffer.
pub(crate) const MESSAGE_LEN: u64 = 32;

/// One store into a DMB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub token: u64,
    pub start: u64,
    pub end: u64,
    pub signal: bool,
}

impl Piece {
    pub(crate) fn new(address: DataAddress, len: usize) -> Self {
        let start = u64::from(address.offset);
        Self {
            token: address.token,
            start,
            end: start.saturating_add(len as u64),
            signal: address.signal,
        }
    }

    /// True if the store is a signalled message area.
    pub(crate) fn is_message(&self) -> bool {
        self.signal && self.start == 0 && self.end == MESSAGE_LEN
    }
}

/// The range of bytes that was signalled last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Signalled {
    start: u64,
    end: u64,
}

impl Signalled {
    fn adjoins(self, piece: Piece) -> bool {
        let ring = !piece.signal
            && self
                == Self {
                    start: 0,
                    end: MESSAGE_LEN,
                };
        piece.end == self.start || (piece.start == self.end && !ring)
    }
}

#[derive(Clone, Copy, Debug)]
struct Track {
    last: Piece,
    signalled: Option<Signalled>,
}

/// The last store of one function into each DMB.
#[derive(Clone, Debug, Default)]
pub(crate) struct MoveOrder {
    tracks: BTreeMap<u64, Track>,
}

impl MoveOrder {
    /// Creates the state before any move; `None` if both rules are off.
    pub(crate) fn watching(rules: &RuleSet) -> Option<Self> {
        RULES
            .into_iter()
            .any(|rule| rules.severity(rule) != Severity::Off)
            .then(Self::default)
    }

    /// True for a rule about the order of moves.
    pub(crate) fn judges(rule: Rule) -> bool {
        RULES.contains(&rule)
    }

    /// Compares a store with the previous one.
    pub(crate) fn judge(&self, piece: Piece, judgement: &mut Judgement<'_>) {
        let Some(track) = self.tracks.get(&piece.token) else {
            return;
        };
        let Piece { start, end, .. } = piece;
        match track.signalled {
            Some(done) if done.adjoins(piece) => judgement.broken(Rule::DataAfterSignal, || {
                let Signalled { start: from, end: to } = done;
                format!("bytes {start:#x}..{end:#x} stored after {from:#x}..{to:#x} beside them was signalled: expected the signal on the last piece only")
            }),
            None if end == track.last.start && !piece.is_message() => {
                judgement.broken(Rule::DescendingPieces, || {
                    let (from, to) = (track.last.start, track.last.end);
                    format!("bytes {start:#x}..{end:#x} stored after {from:#x}..{to:#x} above them: expected ascending pieces")
                });
            }
            _ => {}
        }
    }

    /// Remembers a store that was carried out.
    pub(crate) fn note(&mut self, piece: Piece) {
        let begin = |signalled| Track {
            last: piece,
            signalled,
        };
        let track = self.tracks.entry(piece.token);
        let track = track.or_insert_with(|| begin(None));
        let signalled = match track.signalled {
            Some(done) if done.adjoins(piece) => Some(Signalled {
                start: done.start.min(piece.start),
                end: done.end.max(piece.end),
            }),
            _ => piece.signal.then_some(Signalled {
                start: piece.start,
                end: piece.end,
            }),
        };
        *track = begin(signalled);
    }

    /// Forgets the stores into a DMB that was unregistered, or refused one.
    pub(crate) fn forget(&mut self, token: u64) {
        self.tracks.remove(&token);
    }
}

#[cfg(test)]
mod tests;
