//! Assigns the device's accesses to batches of cases, by the probe's fences.

use crate::plan::FENCE_OFFSET;
use crate::recording::{Access, Piece, Recording, Span};
use std::ops::Range;
use thiserror::Error;

/// A reason why accesses cannot be assigned.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "the device saw {seen} of the {expected} fences (4-byte loads of config offset {FENCE_OFFSET:#x}), so its accesses cannot \
     be told apart; does this QEMU pass config loads on to the device?"
)]
pub struct FenceError {
    /// Number of fences that the executed batches make.
    pub expected: usize,
    /// Number of fences that the device saw.
    pub seen: usize,
}

/// One batch: its cases, and the accesses between its fence and the next fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Indices of the plan's cases.
    pub cases: Range<usize>,
    /// Indices of the recording's pieces.
    pub pieces: Vec<usize>,
}

/// Whether an access is a fence of the probe.
pub(crate) fn is_fence(piece: &Piece) -> bool {
    piece.access == Access::ConfigRead && piece.offset == FENCE_OFFSET && piece.bytes.len() == 4
}

/// The batches in order. A batch that did not run has no accesses. If a case's fences failed, because a
/// function was disabled or in error, the case belongs to the previous batch.
///
/// # Errors
/// A number of fences other than the executed batches call for.
pub(crate) fn batches(recording: &Recording) -> Result<Vec<Batch>, FenceError> {
    let mut batches = Vec::new();
    for span in recording.spans() {
        batches.extend(batches_of(recording, &span)?);
    }
    Ok(batches)
}

/// The batches of one start of QEMU. A complete batch ends with a fence of each function. A batch in which
/// QEMU stopped does not.
fn batches_of(recording: &Recording, span: &Span<'_>) -> Result<Vec<Batch>, FenceError> {
    let mut batches: Vec<Batch> = Vec::new();
    for index in span.cases.clone() {
        let Some(fences) = fences(recording, span, index) else {
            continue;
        };
        match batches.last_mut() {
            Some(batch) if !fences.begins_batch => batch.cases.end = index + 1,
            _ => batches.push(Batch {
                cases: index..index + 1,
                pieces: Vec::new(),
            }),
        }
    }
    for function in (0..).take(recording.plan.functions()) {
        share(recording, span, function, &mut batches)?;
    }
    Ok(batches)
}

/// The fences before a case.
struct Fences {
    /// Whether the case begins a batch.
    begins_batch: bool,
    /// One bit for each function whose fence succeeded.
    loaded: u8,
}

fn fences(recording: &Recording, span: &Span<'_>, index: usize) -> Option<Fences> {
    let case = recording.plan.cases.get(index)?;
    let outcome = recording.outcomes.get(index)?;
    let fenced = !case.joined || index == span.cases.start;
    Some(Fences {
        begins_batch: fenced && outcome.fences_failed == 0,
        loaded: if fenced && outcome.executed {
            !outcome.fences_failed
        } else {
            0
        },
    })
}

/// Assigns the accesses of one function to the batches, by its fences.
fn share(
    recording: &Recording,
    span: &Span<'_>,
    function: u8,
    batches: &mut [Batch],
) -> Result<(), FenceError> {
    let bit = 1 << function;
    let pieces: Vec<(usize, &Piece)> = span
        .pieces
        .clone()
        .filter_map(|index| Some((index, recording.pieces.get(index)?)))
        .filter(|(_, piece)| piece.function == function)
        .collect();
    let cases: Vec<usize> = span
        .cases
        .clone()
        .filter(|&index| {
            fences(recording, span, index).is_some_and(|fences| fences.loaded & bit != 0)
        })
        .collect();
    let seen = pieces.iter().filter(|(_, piece)| is_fence(piece)).count();
    let last = usize::from(recording.last_fences_failed & bit == 0);
    let (expected, enough) = match span.stopped {
        None => (cases.len() + last, cases.len() + last),
        // QEMU may have stopped at the fence itself.
        Some(_) => (cases.len(), cases.len().saturating_sub(1)),
    };
    if !(enough..=expected).contains(&seen) {
        return Err(FenceError { expected, seen });
    }
    // Accesses before the first fence belong to the set-up.
    let mut cases = cases.into_iter();
    let mut batch = None;
    for (index, piece) in pieces {
        if is_fence(piece) {
            let case = cases.next();
            batch = batches
                .iter_mut()
                .find(|batch| case.is_some_and(|case| batch.cases.contains(&case)));
        } else if let Some(batch) = &mut batch {
            batch.pieces.push(index);
        }
    }
    Ok(())
}
