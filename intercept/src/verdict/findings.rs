//! The findings about one case, before they become a verdict.

use super::detail::Detail;
use super::kind::Verdict;
use crate::expect::Seen;
use crate::recording::Piece;

/// The findings about one case, before they become a verdict.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) verdicts: Vec<Verdict>,
    pub(super) split: Option<(usize, Option<u64>)>,
    pub(super) details: Vec<Detail>,
}

impl Findings {
    /// A verdict that needs no more words than what was expected and what the guest got.
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
