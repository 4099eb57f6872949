//! The classification: a pure function of a recording.

mod guest;
mod load;
mod share;
mod store;

use crate::align;
use crate::attribute::{self, Batch, FenceError};
use crate::expect::{Expectation, Model, Reference};
use crate::plan::Case;
use crate::probe::Outcome;
use crate::recording::{Piece, Recording, Source, Stop};
use serde::{Deserialize, Serialize};

/// The result of an instruction. A case can have several, e.g. split and reversed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// QEMU ended while it executed it.
    Crashed,
    /// It did not end.
    Hung,
    /// Bytes did not arrive, or an interrupt did not.
    Lost,
    /// Bytes changed in another way than reversal, or came twice, or an access came that the guest did not make.
    Altered,
    /// One access carried bytes of more than one instruction.
    Merged,
    /// Arrived in another order than executed.
    Reordered,
    /// Arrived in several accesses.
    Split,
    /// Bytes arrived in reverse order.
    Reversed,
    /// Another function saw it than the one that the guest named.
    WrongFunction,
    /// Must succeed, or be refused otherwise, and was refused.
    RefusedWrongly,
    /// The device took it, yet the guest got an error.
    DeliveredButRefused,
    /// Must be refused and was not.
    AcceptedWrongly,
    /// The guest was told something that is not so: by CLP, by STPCIFC, by an error event.
    ToldWrongly,
    /// A register changed that must not, or not as it should.
    WrongRegister,
    /// A block store that arrived as one access with the right bytes.
    Whole,
    /// Everything else that went as it should.
    AsSpecified,
    /// Not executed: meant for the other way of issuing commands.
    NotRun,
}

impl Verdict {
    /// All, in the order of reports.
    pub const ALL: [Self; 17] = [
        Self::Crashed,
        Self::Hung,
        Self::Whole,
        Self::AsSpecified,
        Self::Split,
        Self::Reversed,
        Self::Altered,
        Self::Reordered,
        Self::Merged,
        Self::Lost,
        Self::WrongFunction,
        Self::RefusedWrongly,
        Self::DeliveredButRefused,
        Self::AcceptedWrongly,
        Self::ToldWrongly,
        Self::WrongRegister,
        Self::NotRun,
    ];

    /// Name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crashed => "crashed",
            Self::Hung => "hung",
            Self::Lost => "lost",
            Self::Altered => "altered",
            Self::Merged => "merged",
            Self::Reordered => "reordered",
            Self::Split => "split",
            Self::Reversed => "reversed",
            Self::WrongFunction => "wrong-function",
            Self::RefusedWrongly => "refused-wrongly",
            Self::DeliveredButRefused => "delivered-but-refused",
            Self::ToldWrongly => "told-wrongly",
            Self::WrongRegister => "wrong-register",
            Self::AcceptedWrongly => "accepted-wrongly",
            Self::Whole => "whole",
            Self::AsSpecified => "as-specified",
            Self::NotRun => "not-run",
        }
    }

    /// Whether it is what should be.
    #[must_use]
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Whole | Self::AsSpecified | Self::NotRun)
    }
}

/// The verdict on one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseVerdict {
    /// At least one, most telling first.
    pub verdicts: Vec<Verdict>,
    /// For a split: number of accesses, and the length of each if they are equal.
    pub split: Option<(usize, Option<u64>)>,
    /// In words, for failures.
    pub detail: String,
    /// The expected outcome.
    pub expectation: Expectation,
    /// Indices of the recording's pieces that belong to it.
    pub pieces: Vec<usize>,
}

impl CaseVerdict {
    /// Whether all is as it should be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.is_good())
    }

    /// Whether QEMU crashed or the guest hung at it.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.verdicts
            .iter()
            .any(|verdict| matches!(verdict, Verdict::Crashed | Verdict::Hung))
    }

    /// All verdicts in one line, e.g. `split 2x8 + reversed`.
    #[must_use]
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

/// The findings about one case, before they become a verdict.
#[derive(Debug, Default)]
struct Findings {
    verdicts: Vec<Verdict>,
    split: Option<(usize, Option<u64>)>,
    details: Vec<String>,
}

impl Findings {
    /// A verdict that needs no more words than what was expected and what the guest got.
    fn note(&mut self, verdict: Verdict) {
        if !self.verdicts.contains(&verdict) {
            self.verdicts.push(verdict);
        }
    }

    fn add(&mut self, verdict: Verdict, detail: impl Into<String>) {
        self.note(verdict);
        self.details.push(detail.into());
    }

    /// Notes that one access of `length` bytes, a `what`, arrived as several.
    fn add_split(&mut self, what: &str, length: u64, pieces: &[&Piece]) {
        let mut sizes = pieces.iter().map(|piece| piece.bytes.len() as u64);
        let first = sizes.next();
        let size = first.filter(|first| sizes.all(|size| size == *first));
        self.split = Some((pieces.len(), size));
        let number = pieces.len();
        self.add(
            Verdict::Split,
            format!("one {what} of {length} bytes became {number}"),
        );
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
        let pieces: Vec<&Piece> = share
            .pieces
            .iter()
            .filter_map(|&index| recording.pieces.get(index))
            .collect();
        let mut findings = Findings::default();
        if let Some(stop) = recording.stop_at(index) {
            stopped(&mut findings, stop);
        } else if !outcome.executed {
            findings.verdicts.push(Verdict::NotRun);
            let why = case.only.map(|only| only.why_not().to_owned());
            findings.details.extend(why);
        } else {
            judge(&mut findings, outcome, expectation, &pieces, share.merged);
            if share::overtaken(&shares, place) {
                findings.add(
                    Verdict::Reordered,
                    "arrived in another order than its neighbours were executed",
                );
            }
            let raised = raised.get(index).copied().unwrap_or(0);
            guest::judge(&mut findings, recording, case, outcome, expectation, raised);
        }
        verdicts.push(finish(findings, case, expectation, share.pieces.clone()));
    }
    verdicts
}

/// QEMU crashed or the guest hung: what else became of the instruction says nothing.
fn stopped(findings: &mut Findings, stop: &Stop) {
    let verdict = match stop {
        Stop::Crashed { .. } => Verdict::Crashed,
        Stop::Hung { .. } => Verdict::Hung,
    };
    findings.add(verdict, stop.to_string());
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
        detail: findings.details.join("; "),
        expectation: expectation.clone(),
        pieces,
    }
}

/// Of a store or load that both took place and failed.
const DELIVERED: &str = "the device took it, yet the guest got an error";

fn judge(
    findings: &mut Findings,
    outcome: &Outcome,
    expectation: &Expectation,
    pieces: &[&Piece],
    merged: bool,
) {
    if merged {
        findings.add(
            Verdict::Merged,
            "one access carried bytes of more than one instruction",
        );
    }
    let refused = expectation
        .refusals
        .iter()
        .any(|refusal| refusal.matches(outcome));
    // Where taking and refusing are both right, it may be the device that refused.
    let by_device = expectation.accept && pieces.iter().all(|piece| !piece.accepted());
    if !outcome.succeeded() && refused && (pieces.is_empty() || !by_device) {
        if !pieces.is_empty() && expectation.accept {
            findings.add(Verdict::DeliveredButRefused, DELIVERED);
        } else if !pieces.is_empty() {
            findings.add(
                Verdict::AcceptedWrongly,
                "the guest was refused, yet the device saw it",
            );
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
    if !outcome.succeeded() && !device_refused {
        if pieces.is_empty() {
            findings.note(Verdict::RefusedWrongly);
        } else {
            findings.add(Verdict::DeliveredButRefused, DELIVERED);
        }
    }
    let Some(seen) = &expectation.seen else {
        if !pieces.is_empty() {
            findings.add(
                Verdict::Altered,
                "the device saw an access that the guest did not make",
            );
        }
        return;
    };
    if let Some(answer) = seen.answer.as_ref().filter(|_| outcome.succeeded()) {
        load::compare(findings, outcome, answer, "the guest stored");
    }
    if pieces.is_empty() {
        if outcome.succeeded() && !seen.optional {
            findings.add(
                Verdict::Lost,
                "the guest got condition code 0, the device saw nothing",
            );
        }
        return;
    }
    let elsewhere = |piece: &&Piece| piece.function != seen.function;
    if pieces.iter().any(&elsewhere) {
        findings.add(Verdict::WrongFunction, "another function saw an access");
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
