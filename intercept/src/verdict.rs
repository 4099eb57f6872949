//! The verdicts: a pure function of a recording.

pub mod detail;
mod findings;
mod guest;
pub(crate) mod kind;
mod load;
mod share;
mod store;

pub use detail::Detail;
pub use kind::Verdict;

use crate::align;
use crate::attribute::{self, Batch, FenceError};
use crate::expect::{Expectation, Model, Reference, Refusal, exception};
use crate::plan::Case;
use crate::probe::Outcome;
use crate::recording::{Piece, Recording, Source, Stop};
use detail::Teller;
use findings::Findings;

/// The guest's outcome if the device refuses a correct instruction, as QEMU gives it when a region access fails.
const DEVICE_REFUSES: Refusal = Refusal::Exception(exception::OPERAND);

/// The verdict on one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseVerdict {
    /// The verdicts, at least one, the most important first.
    pub verdicts: Vec<Verdict>,
    /// For a split, the number of accesses, and the length of each if they are equal.
    pub split: Option<(usize, Option<u64>)>,
    /// The facts behind the verdicts. Empty for a good case.
    pub details: Vec<Detail>,
    /// The expected outcome.
    pub expectation: Expectation,
    /// Indices of the recording's accesses that belong to the case.
    pub pieces: Vec<usize>,
}

impl CaseVerdict {
    /// Whether the case is as it should be.
    pub fn is_good(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.is_good())
    }

    /// Whether QEMU crashed or the guest hung at the case.
    pub fn stopped(&self) -> bool {
        self.verdicts
            .iter()
            .any(|verdict| matches!(verdict, Verdict::Crashed | Verdict::Hung))
    }

    /// All verdicts in one line, for example `split 2x8 + reversed`.
    pub fn label(&self) -> String {
        let name = |verdict: &Verdict| match (verdict, self.split) {
            (Verdict::Split, Some((count, Some(size)))) => format!("split {count}x{size}"),
            (Verdict::Split, Some((count, None))) => format!("split {count}"),
            _ => verdict.name().to_owned(),
        };
        self.verdicts
            .iter()
            .map(name)
            .collect::<Vec<_>>()
            .join(" + ")
    }
}

/// Classifies every case of a recording, in the plan's order.
///
/// # Errors
/// Fences that are missing, so that the device's accesses cannot be told apart.
pub fn classify(recording: &Recording, model: Model) -> Result<Vec<CaseVerdict>, FenceError> {
    let expectations = Reference::expectations(model, recording);
    let batches = match recording.source {
        Source::Probe => attribute::batches(recording)?,
        Source::Guest => align::batches(recording, &expectations),
    };
    let raised = guest::raised(recording);
    let mut verdicts = Vec::new();
    for batch in batches {
        verdicts.extend(classify_batch(recording, &expectations, &raised, &batch));
    }
    Ok(verdicts)
}

fn classify_batch(
    recording: &Recording,
    expectations: &[Expectation],
    raised: &[u8],
    batch: &Batch,
) -> Vec<CaseVerdict> {
    let members: Vec<usize> = batch.cases.clone().collect();
    let shares = share::share_out(recording, expectations, batch, &members);
    let mut verdicts = Vec::new();
    for (place, (&index, share)) in members.iter().zip(&shares).enumerate() {
        let (Some(case), Some(outcome), Some(expectation)) = (
            recording.plan.cases.get(index),
            recording.outcomes.get(index),
            expectations.get(index),
        ) else {
            continue;
        };
        let pieces = recording.pieces_at(&share.pieces);
        let mut findings = Findings::default();
        if let Some(stop) = recording.stop_at(index) {
            stopped(&mut findings, stop);
        } else if !outcome.executed {
            findings.verdicts.push(Verdict::NotRun);
            findings
                .details
                .extend(case.only.map(|only| Detail::NotMeant { only }));
        } else {
            judge(&mut findings, outcome, expectation, &pieces, share.merged);
            if share::overtaken(&shares, place) {
                findings.add(Verdict::Reordered, Detail::Overtaken);
            }
            let raised = raised.get(index).copied().unwrap_or(0);
            guest::judge(&mut findings, recording, case, outcome, expectation, raised);
        }
        verdicts.push(finish(findings, case, expectation, share.pieces.clone()));
    }
    verdicts
}

/// QEMU crashed or the guest hung. The instruction's other results have no meaning then.
fn stopped(findings: &mut Findings, stop: &Stop) {
    let verdict = match stop {
        Stop::Crashed { .. } => Verdict::Crashed,
        Stop::Hung { .. } => Verdict::Hung,
    };
    findings.add(verdict, Detail::Stopped(stop.clone()));
}

fn finish(
    mut findings: Findings,
    case: &Case,
    expectation: &Expectation,
    pieces: Vec<usize>,
) -> CaseVerdict {
    if findings.verdicts.is_empty() {
        let block = case.instruction == crate::plan::Instruction::Pcistb && expectation.accept;
        findings.verdicts.push(if block {
            Verdict::Whole
        } else {
            Verdict::AsSpecified
        });
    }
    findings.verdicts.sort_unstable();
    CaseVerdict {
        verdicts: findings.verdicts,
        split: findings.split,
        details: findings.details,
        expectation: expectation.clone(),
        pieces,
    }
}

fn judge(
    findings: &mut Findings,
    outcome: &Outcome,
    expectation: &Expectation,
    pieces: &[&Piece],
    merged: bool,
) {
    if merged {
        findings.add(Verdict::Merged, Detail::Shared);
    }
    let refused = expectation
        .refusals
        .iter()
        .any(|refusal| refusal.matches(outcome));
    // If both success and refusal are right, the device may have refused.
    let by_device = expectation.accept && pieces.iter().all(|piece| !piece.accepted());
    if !outcome.succeeded() && refused && (pieces.is_empty() || !by_device) {
        if !pieces.is_empty() && expectation.accept {
            findings.add(Verdict::DeliveredButRefused, Detail::Delivered);
        } else if !pieces.is_empty() {
            findings.add(Verdict::AcceptedWrongly, Detail::SeenThoughRefused);
        }
        return;
    }
    if !expectation.accept {
        if outcome.succeeded() || !pieces.is_empty() {
            findings.note(Verdict::AcceptedWrongly);
        } else {
            findings.note(Verdict::RefusedWrongly);
        }
        return;
    }
    let device_refused = pieces.iter().any(|piece| !piece.accepted());
    if !outcome.succeeded() {
        if !device_refused && !pieces.is_empty() {
            findings.add(Verdict::DeliveredButRefused, Detail::Delivered);
        } else if !device_refused || !(refused || DEVICE_REFUSES.matches(outcome)) {
            findings.note(Verdict::RefusedWrongly);
        }
    }
    let Some(seen) = &expectation.seen else {
        if !pieces.is_empty() {
            findings.add(Verdict::Altered, Detail::OtherAccess);
        }
        return;
    };
    // What the device answered is compared below.
    let own = !seen.access.is_config() || pieces.is_empty();
    if let Some(answer) = seen.answer.as_ref().filter(|_| own && outcome.succeeded()) {
        let teller = match seen.access.is_config() {
            true => Teller::Identity,
            false => Teller::Guest,
        };
        load::compare(findings, outcome, answer, teller);
    }
    if pieces.is_empty() {
        if outcome.succeeded() && !seen.optional {
            findings.add(Verdict::Lost, Detail::NothingSeen);
        }
        return;
    }
    let elsewhere = |piece: &&Piece| piece.function != seen.function;
    if pieces.iter().any(&elsewhere) {
        findings.add(Verdict::WrongFunction, Detail::OtherFunction);
        if pieces.iter().all(elsewhere) {
            return;
        }
    }
    if seen.access.is_store() {
        store::judge(findings, seen, pieces, merged);
    } else {
        load::judge(findings, seen, outcome, pieces);
    }
}

#[cfg(test)]
mod tests;
