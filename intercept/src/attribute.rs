//! Which of the device's pieces belong to which batch of cases: the fences tell.

use crate::plan::FENCE_OFFSET;
use crate::recording::{Access, Piece, Recording, Span};
use std::ops::Range;
use thiserror::Error;

/// Why pieces cannot be told apart.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "the device saw {seen} of the {expected} fences (4-byte loads of config offset {FENCE_OFFSET:#x}), so its accesses cannot \
     be told apart; does this QEMU pass config loads on to the device?"
)]
pub struct FenceError {
    /// Fences that executed batches call for.
    pub expected: usize,
    /// Fences that the device saw.
    pub seen: usize,
}

/// One batch: its cases, and the pieces the device saw between its fence and the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Indices of the plan's cases.
    pub cases: Range<usize>,
    /// Indices of the recording's pieces.
    pub pieces: Range<usize>,
}

/// Whether an access is a fence of the probe.
pub(crate) fn is_fence(piece: &Piece) -> bool {
    piece.access == Access::ConfigRead && piece.offset == FENCE_OFFSET && piece.bytes.len() == 4
}

/// Batches in order; one that did not run has no pieces.
///
/// # Errors
/// A number of fences other than the executed batches call for.
pub fn batches(recording: &Recording) -> Result<Vec<Batch>, FenceError> {
    let mut batches = Vec::new();
    for span in recording.spans() {
        batches.extend(batches_of(recording, &span)?);
    }
    Ok(batches)
}

/// The batches of one start of QEMU. One that was done ends with a fence, one that stopped does not.
fn batches_of(recording: &Recording, span: &Span<'_>) -> Result<Vec<Batch>, FenceError> {
    let batches: Vec<Range<usize>> = recording
        .plan
        .batches()
        .into_iter()
        .map(|cases| cases.start.max(span.cases.start)..cases.end.min(span.cases.end))
        .filter(|cases| !cases.is_empty())
        .collect();
    let mut fences: Vec<usize> = span
        .pieces
        .clone()
        .filter(|&index| recording.pieces.get(index).is_some_and(is_fence))
        .collect();
    let ran = |batch: &Range<usize>| {
        recording
            .outcomes
            .get(batch.start)
            .is_some_and(|outcome| outcome.executed)
    };
    let executed = batches.iter().filter(|batch| ran(batch)).count();
    let expected = match span.stopped {
        None => executed + 1,
        // QEMU may have stopped at the fence itself.
        Some(_) => executed.min(fences.len().max(executed.saturating_sub(1))),
    };
    if fences.len() != expected {
        return Err(FenceError {
            expected,
            seen: fences.len(),
        });
    }
    if span.stopped.is_some() {
        fences.push(span.pieces.end);
    }
    let mut between = fences.windows(2).filter_map(|pair| match pair {
        [start, end] => Some(start + 1..*end),
        _ => None,
    });
    Ok(batches
        .into_iter()
        .map(|cases| {
            let pieces = if ran(&cases) {
                between.next().unwrap_or(0..0)
            } else {
                0..0
            };
            Batch { cases, pieces }
        })
        .collect())
}
