//! Matches the device's accesses with the instructions of a guest without fences. Both are in order. The best
//! alignment accounts for the most accesses.

use crate::attribute::Batch;
use crate::expect::{Expectation, Seen};
use crate::recording::{Piece, Recording};

/// Most instructions times accesses to align at once. Longer runs are aligned window by window.
const WINDOW: usize = 1500;

/// One batch for each case, with the accesses that belong to it.
pub(crate) fn batches(recording: &Recording, expectations: &[Expectation]) -> Vec<Batch> {
    let mut batches = Vec::new();
    let mut next_piece = 0;
    while batches.len() < recording.plan.cases.len() {
        let first = batches.len();
        let wanted: Vec<Option<&Seen>> = expectations
            .iter()
            .zip(&recording.outcomes)
            .skip(first)
            .take(WINDOW)
            .map(|(expectation, outcome)| expectation.seen.as_ref().filter(|_| outcome.executed))
            .collect();
        let pieces: Vec<&Piece> = recording
            .pieces
            .iter()
            .skip(next_piece)
            .take(2 * WINDOW)
            .collect();
        let spans = align(&wanted, &pieces);
        // The second half of a window is aligned again together with the next window.
        let last = first + wanted.len() >= recording.plan.cases.len();
        let settled = if last {
            spans.len()
        } else {
            spans.len().div_ceil(2)
        };
        let base = next_piece;
        for (offset, span) in spans.into_iter().take(settled).enumerate() {
            if !span.is_empty() {
                next_piece = base + span.end;
            }
            let case = first + offset;
            batches.push(Batch {
                cases: case..case + 1,
                pieces: (base + span.start..base + span.end).collect(),
            });
        }
    }
    batches
}

fn matches(seen: Option<&Seen>, piece: &Piece) -> bool {
    seen.is_some_and(|seen| {
        let inside = seen.offset <= piece.offset && piece.end() <= seen.end();
        let overlaps = seen.offset < piece.end() && piece.offset < seen.end();
        seen.access == piece.access
            && if piece.access.is_config() {
                inside
            } else {
                seen.space == piece.space && overlaps
            }
    })
}

/// A step of the best alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    NextCase,
    SkipPiece,
    Take,
}

/// The accesses of each case, as index ranges. A case's first access counts more than later ones, so that two
/// equal instructions share two equal accesses. The accesses of one case have no gap.
fn align(wanted: &[Option<&Seen>], pieces: &[&Piece]) -> Vec<std::ops::Range<usize>> {
    let width = pieces.len() + 1;
    let cell = |case: usize, piece: usize, open: usize| (case * width + piece) * 2 + open;
    let mut score = vec![0_u32; (wanted.len() + 1) * width * 2];
    let mut steps = vec![Step::NextCase; score.len()];
    let value = |score: &[u32], at: usize| score.get(at).copied().unwrap_or(0);
    for case in (0..wanted.len()).rev() {
        for piece in (0..width).rev() {
            for open in [0, 1] {
                let mut best = (value(&score, cell(case + 1, piece, 0)), Step::NextCase);
                if let Some(candidate) = pieces.get(piece) {
                    if open == 0 {
                        let skipped = value(&score, cell(case, piece + 1, 0));
                        if skipped > best.0 {
                            best = (skipped, Step::SkipPiece);
                        }
                    }
                    if matches(wanted.get(case).copied().flatten(), candidate) {
                        let worth = if open == 0 { 2 } else { 1 };
                        let taken = worth + value(&score, cell(case, piece + 1, 1));
                        if taken >= best.0 {
                            best = (taken, Step::Take);
                        }
                    }
                }
                let at = cell(case, piece, open);
                if let (Some(slot), Some(step)) = (score.get_mut(at), steps.get_mut(at)) {
                    (*slot, *step) = best;
                }
            }
        }
    }
    trace(wanted.len(), |case, piece, open| {
        steps
            .get(cell(case, piece, open))
            .copied()
            .unwrap_or(Step::NextCase)
    })
}

fn trace(cases: usize, step: impl Fn(usize, usize, usize) -> Step) -> Vec<std::ops::Range<usize>> {
    let mut spans = Vec::new();
    let (mut piece, mut open, mut start) = (0, 0, 0);
    while spans.len() < cases {
        match step(spans.len(), piece, open) {
            Step::NextCase => {
                spans.push(if open == 1 {
                    start..piece
                } else {
                    piece..piece
                });
                open = 0;
            }
            Step::SkipPiece => piece += 1,
            Step::Take => {
                if open == 0 {
                    start = piece;
                }
                open = 1;
                piece += 1;
            }
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::align;
    use crate::expect::Seen;
    use crate::recording::{Access, Piece};

    fn load(offset: u64, length: u64) -> Seen {
        Seen {
            function: 0,
            access: Access::ConfigRead,
            space: 15,
            offset,
            length,
            bytes: Vec::new(),
            block: false,
            optional: true,
            answer: None,
        }
    }

    fn store(offset: u64, length: usize) -> Seen {
        Seen {
            function: 0,
            access: Access::Store,
            space: 0,
            offset,
            length: length as u64,
            bytes: vec![0; length],
            block: true,
            optional: false,
            answer: None,
        }
    }

    fn piece(access: Access, offset: u64, length: usize) -> Piece {
        let space = if access.is_config() { 15 } else { 0 };
        Piece {
            function: 0,
            access,
            path: "x".into(),
            space,
            offset,
            bytes: vec![0; length],
            result: "accepted".into(),
        }
    }

    fn spans(wanted: &[Seen], pieces: &[Piece]) -> Vec<std::ops::Range<usize>> {
        let wanted: Vec<Option<&Seen>> = wanted.iter().map(Some).collect();
        align(&wanted, &pieces.iter().collect::<Vec<_>>())
    }

    #[test]
    fn accesses_of_qemu_itself_are_left_over() {
        let own = [
            piece(Access::ConfigRead, 0, 256),
            piece(Access::ConfigRead, 0x30, 4),
        ];
        let guests = [
            piece(Access::ConfigRead, 0, 4),
            piece(Access::ConfigRead, 0x30, 4),
        ];
        // QEMU emulates this: the load at 0x10 has no access.
        let wanted = [load(0, 4), load(0x10, 4), load(0x30, 4)];
        assert_eq!(spans(&wanted, &[own, guests].concat()), [2..3, 3..3, 3..4]);
    }

    #[test]
    fn equal_instructions_share_equal_pieces() {
        let pieces = vec![piece(Access::ConfigRead, 4, 2); 3];
        assert_eq!(
            spans(&[load(4, 2), load(4, 2), load(4, 2)], &pieces),
            [0..1, 1..2, 2..3]
        );
    }

    #[test]
    fn a_split_store_keeps_its_pieces_together() {
        let pieces = [
            piece(Access::Store, 0, 8),
            piece(Access::Store, 8, 8),
            piece(Access::Store, 16, 8),
        ];
        assert_eq!(spans(&[store(0, 16), store(16, 8)], &pieces), [0..2, 2..3]);
    }

    #[test]
    fn a_lost_store_takes_nothing_of_its_neighbours() {
        let pieces = [piece(Access::Store, 0, 16), piece(Access::Store, 64, 16)];
        assert_eq!(
            spans(&[store(0, 16), store(32, 16), store(64, 16)], &pieces),
            [0..1, 1..1, 1..2]
        );
    }
}
