//! A run of pieces that could have been one PCISTB.
//!
//! A store of 1, 2, 4 or 8 bytes may be the first piece of a cut block store. The next store continues the
//! run if it starts where the last one ended, uses the same BAR, page and way of storing, and does not make
//! the run longer than the maximum. Anything else ends the run: another store, a load, a reset, idleness. A
//! run of one piece is an ordinary store and is not reported.
//!
//! A correct driver produces no run. A command's header lies below its payload, and loads follow it. The
//! pieces of a move end at page boundaries, and the next piece starts a page. A move of a length other than
//! 1, 2, 4 or 8 bytes is no piece.
//!
//! Two cases stay ambiguous, because the bytes on the wire are the same:
//! - Two stores of 1, 2, 4 or 8 bytes that the guest really issued back to back into neighbouring bytes of
//!   one page are reported, although nothing was cut. (SMC-D issues them when a short send wraps around in
//!   the sender's buffer.) Through the zPCI I/O region, where the client names each instruction, such a run
//!   is therefore at most a note and never refused.
//! - Cut stores into neighbouring bytes that follow each other at once form one run, up to the maximum store
//!   block length. The run counts all their pieces; the number of stores is lost.

use crate::access::{PAGE, Path, Store};
use crate::rule::{Observer, Rule, RuleSet, Severity, Violation};

/// The pieces of a run so far.
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
    /// Begins a run with `store`; `None` if the store cannot be a piece.
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

    /// Returns the run with `store` added; `None` if the store does not continue it.
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

    /// Returns the severity of the run. Through the zPCI I/O region, the client names each instruction, so
    /// the guest more likely executed the stores one by one: the run is at most a note.
    pub(super) fn severity(&self, rules: &RuleSet) -> Severity {
        let severity = rules.severity(Rule::SplitBlockStore);
        match self.path {
            Path::Region => severity.min(Severity::Note),
            Path::Bar | Path::BarMulti => severity,
        }
    }

    /// Reports the run if it has at least two pieces.
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

    /// Describes the run for the violation.
    pub(super) fn describe(&self) -> String {
        format!(
            "{} bytes at offset {:#x} of BAR {} arrived as {} pieces of at most {} bytes: expected one store",
            self.len, self.start, self.pcias, self.pieces, self.largest
        )
    }
}

/// True if `len` bytes at `offset` lie in one page.
pub(super) const fn same_page(offset: u64, len: usize) -> bool {
    // offset % PAGE is below 4096, and len is a length in memory, so nothing overflows.
    (offset % PAGE).saturating_add(len as u64) <= PAGE
}
