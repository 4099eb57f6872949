//! Collects the findings about one case before the verdict.

use super::detail::Detail;
use super::kind::Verdict;
use crate::expect::Seen;
use crate::recording::Piece;

/// The findings about one case.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) verdicts: Vec<Verdict>,
    pub(super) split: Option<(usize, Option<u64>)>,
    pub(super) details: Vec<Detail>,
}

impl Findings {
    /// Adds a verdict without a fact of its own.
    pub(super) fn note(&mut self, verdict: Verdict) {
        if !self.verdicts.contains(&verdict) {
            self.verdicts.push(verdict);
        }
    }

    pub(super) fn add(&mut self, verdict: Verdict, detail: Detail) {
        self.note(verdict);
        self.details.push(detail);
    }

    /// Notes that one access arrived as several.
    pub(super) fn add_split(&mut self, seen: &Seen, pieces: &[&Piece]) {
        let mut sizes = pieces.iter().map(|piece| piece.bytes.len() as u64);
        let first = sizes.next();
        let size = first.filter(|first| sizes.all(|size| size == *first));
        self.split = Some((pieces.len(), size));
        self.add(
            Verdict::Split,
            Detail::Split {
                store: seen.access.is_store(),
                length: seen.length,
                pieces: pieces.len(),
            },
        );
    }
}
