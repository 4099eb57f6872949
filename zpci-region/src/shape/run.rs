//! A run of pieces that one PCISTB would have carried.
//!
//! A store of 1, 2, 4 or 8 bytes may be the first piece of a cut block store. Each following store
//! that starts where the last one ended, in the same BAR, page and way of storing, and does not
//! take the whole beyond the maximum, belongs to it. Anything else ends the run: another store, a
//! load, a reset, idleness. A run of one piece is a store of its own and of no interest.
//!
//! A well-behaved driver makes no run. A command's header lies below its
//! payload and is followed by loads; the pieces of a move end at page boundaries, and the next one
//! starts a page; a move of other than 1, 2, 4 or 8 bytes is no piece at all.
//!
//! Two cases stay ambiguous, because the bytes on the wire are the same:
//! - two stores of 1, 2, 4 or 8 bytes which the guest really issued back to back into neighbouring
//!   bytes of one page (SMC-D does so when a short send wraps around in the sender's buffer) are
//!   reported although nothing was cut; through the zPCI I/O region, where the client names each
//!   instruction, such a run is therefore a note at most and never refused;
//! - cut stores into neighbouring bytes that follow each other at once are one run, up to the
//!   maximum store block length; the pieces add up, the number of stores is lost.

use crate::access::{PAGE, Path, Store};
use crate::rule::{Observer, Rule, RuleSet, Severity, Violation};

/// Pieces so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    path: Path,
    pcias: u8,
    start: u64,
    len: usize,
    pieces: usize,
    largest: usize,
}

impl Run {
    /// The run that `store` may start: `None` if it is no piece.
    pub(super) fn start(store: &Store<'_>) -> Option<Self> {
        let len = store.data.len();
        let piece = matches!(len, 1 | 2 | 4 | 8) && same_page(store.offset, len);
        piece.then_some(Self {
            path: store.path,
            pcias: store.pcias,
            start: store.offset,
            len,
            pieces: 1,
            largest: len,
        })
    }

    /// The run with `store` added: `None` if it does not continue this run.
    pub(super) fn continued(&self, store: &Store<'_>, maxstbl: u16) -> Option<Self> {
        let piece = Self::start(store)?;
        let len = self.len.checked_add(piece.len)?;
        let continues = piece.path.is_bar() == self.path.is_bar()
            && piece.pcias == self.pcias
            && self.start.checked_add(self.len as u64) == Some(piece.start)
            && len <= usize::from(maxstbl)
            && same_page(self.start, len);
        continues.then_some(Self {
            len,
            pieces: self.pieces.saturating_add(1),
            largest: self.largest.max(piece.len),
            ..*self
        })
    }

    /// The severity of the run. Through the zPCI I/O region the client names each instruction, so a
    /// run there is more likely what the guest executed: a note at most.
    pub(super) fn severity(&self, rules: &RuleSet) -> Severity {
        let severity = rules.severity(Rule::SplitBlockStore);
        match self.path {
            Path::Region => severity.min(Severity::Note),
            Path::Bar | Path::BarMulti => severity,
        }
    }

    /// Tells of the run if it has two pieces or more.
    pub(super) fn report(&self, rules: &RuleSet, observer: &mut dyn Observer) {
        let severity = self.severity(rules);
        if severity == Severity::Off || self.pieces < 2 {
            return;
        }
        observer.violation(&Violation {
            rule: Rule::SplitBlockStore,
            severity,
            path: self.path,
            pcias: self.pcias,
            offset: self.start,
            len: self.len,
            pieces: self.pieces,
            piece_len: self.largest,
            detail: self.describe(),
        });
    }

    /// The detail of the violation.
    pub(super) fn describe(&self) -> String {
        format!(
            "{} bytes at offset {:#x} of BAR {} arrived as {} pieces of at most {} bytes: expected one store",
            self.len, self.start, self.pcias, self.pieces, self.largest
        )
    }
}

/// Whether `len` bytes at `offset` lie in one page.
pub(super) const fn same_page(offset: u64, len: usize) -> bool {
    // offset % PAGE is below 4096 and len a length in memory, so nothing overflows.
    (offset % PAGE).saturating_add(len as u64) <= PAGE
}
