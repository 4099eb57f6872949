//! The classification: a pure function of a recording.

mod load;
mod store;

use crate::attribute::{self, Batch, FenceError};
use crate::expect::{Expectation, Model, Reference, Seen};
use crate::plan::Case;
use crate::probe::{Outcome, layout};
use crate::recording::{Piece, Recording};
use serde::{Deserialize, Serialize};

/// What became of an instruction. A case can have several, e.g. split and reversed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
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
    /// Must succeed, or be refused otherwise, and was refused.
    RefusedWrongly,
    /// Must be refused and was not.
    AcceptedWrongly,
    /// A block store that arrived as one access with the right bytes.
    Whole,
    /// Everything else that went as it should.
    AsSpecified,
    /// Not executed: meant for the other way of issuing commands.
    NotRun,
}

impl Verdict {
    /// All, in the order of reports.
    pub const ALL: [Self; 11] = [
        Self::Whole,
        Self::AsSpecified,
        Self::Split,
        Self::Reversed,
        Self::Altered,
        Self::Reordered,
        Self::Merged,
        Self::Lost,
        Self::RefusedWrongly,
        Self::AcceptedWrongly,
        Self::NotRun,
    ];

    /// Name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Altered => "altered",
            Self::Merged => "merged",
            Self::Reordered => "reordered",
            Self::Split => "split",
            Self::Reversed => "reversed",
            Self::RefusedWrongly => "refused-wrongly",
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
    /// What should have happened.
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

    /// All verdicts in one line, e.g. `split 2x8 + reversed`.
    #[must_use]
    pub fn label(&self) -> String {
        let name = |verdict: &Verdict| match (verdict, self.split) {
            (Verdict::Split, Some((count, Some(size)))) => format!("split {count}x{size}"),
            (Verdict::Split, Some((count, None))) => format!("split {count}"),
            _ => verdict.name().to_owned(),
        };
        self.verdicts.iter().map(name).collect::<Vec<_>>().join(" + ")
    }
}

/// What is found out about one case before it becomes a verdict.
#[derive(Debug, Default)]
struct Findings {
    verdicts: Vec<Verdict>,
    split: Option<(usize, Option<u64>)>,
    details: Vec<String>,
}

impl Findings {
    fn add(&mut self, verdict: Verdict, detail: impl Into<String>) {
        if !self.verdicts.contains(&verdict) {
            self.verdicts.push(verdict);
        }
        self.details.push(detail.into());
    }
}

/// Classifies every case of a recording, in the plan's order.
///
/// # Errors
/// Fences that are missing, so that the device's accesses cannot be told apart.
pub fn classify(recording: &Recording, model: Model) -> Result<Vec<CaseVerdict>, FenceError> {
    let expectations =
        Reference::expectations(model, recording.max_store_block, &recording.facts, &recording.plan, &recording.outcomes);
    let mut verdicts = Vec::new();
    for batch in attribute::batches(recording)? {
        verdicts.extend(classify_batch(recording, &expectations, &batch));
    }
    Ok(verdicts)
}

/// The share of one case: its pieces, and which of them carry bytes of others as well.
#[derive(Debug, Default, Clone)]
struct Share {
    pieces: Vec<usize>,
    merged: bool,
}

fn classify_batch(recording: &Recording, expectations: &[Expectation], batch: &Batch) -> Vec<CaseVerdict> {
    let members: Vec<usize> = batch.cases.clone().collect();
    let shares = share_out(recording, expectations, batch, &members);
    let mut verdicts = Vec::new();
    for (place, (&index, share)) in members.iter().zip(&shares).enumerate() {
        let (Some(case), Some(outcome), Some(expectation)) =
            (recording.plan.cases.get(index), recording.outcomes.get(index), expectations.get(index))
        else {
            continue;
        };
        let pieces: Vec<&Piece> = share.pieces.iter().filter_map(|&index| recording.pieces.get(index)).collect();
        let mut findings = Findings::default();
        if !outcome.executed {
            findings.verdicts.push(Verdict::NotRun);
        } else {
            judge(&mut findings, case, outcome, expectation, &pieces, share.merged);
            if overtaken(&shares, place) {
                findings.add(Verdict::Reordered, "arrived in another order than its neighbours were executed");
            }
            await_interrupt(&mut findings, case, outcome);
        }
        verdicts.push(finish(findings, case, expectation, share.pieces.clone()));
    }
    verdicts
}

fn finish(mut findings: Findings, case: &Case, expectation: &Expectation, pieces: Vec<usize>) -> CaseVerdict {
    if findings.verdicts.is_empty() {
        let block = case.instruction == crate::plan::Instruction::Pcistb && expectation.accept;
        findings.verdicts.push(if block { Verdict::Whole } else { Verdict::AsSpecified });
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

/// Gives each piece of a batch to the case, or the cases, whose bytes it holds.
fn share_out(recording: &Recording, expectations: &[Expectation], batch: &Batch, members: &[usize]) -> Vec<Share> {
    let mut shares = vec![Share::default(); members.len()];
    let wanted: Vec<Option<&Seen>> = members
        .iter()
        .map(|&index| {
            let ran = recording.outcomes.get(index).is_some_and(|outcome| outcome.executed);
            expectations.get(index).filter(|_| ran).and_then(|expectation| expectation.seen.as_ref())
        })
        .collect();
    for index in batch.pieces.clone() {
        let Some(piece) = recording.pieces.get(index) else { continue };
        let same = |seen: &Seen| seen.access == piece.access && (seen.space == piece.space || piece.access.is_config());
        let mut owners: Vec<usize> = (0..members.len())
            .filter(|&place| {
                wanted.get(place).copied().flatten().is_some_and(|seen| {
                    same(seen) && seen.offset < piece.end() && piece.offset < seen.end()
                })
            })
            .collect();
        if owners.len() > 1 {
            owners = tell_apart(recording, &shares, &wanted, piece, owners);
        }
        if owners.is_empty() {
            let kind = (0..members.len()).find(|&place| wanted.get(place).copied().flatten().is_some_and(same));
            owners.push(kind.unwrap_or(0));
        }
        let merged = owners.len() > 1;
        for owner in owners {
            if let Some(share) = shares.get_mut(owner) {
                share.pieces.push(index);
                share.merged |= merged;
            }
        }
    }
    shares
}

/// Of several cases a piece could belong to: all, if it reaches beyond each of them; else the first that holds all of it
/// and still misses bytes.
fn tell_apart(
    recording: &Recording,
    shares: &[Share],
    wanted: &[Option<&Seen>],
    piece: &Piece,
    owners: Vec<usize>,
) -> Vec<usize> {
    let holds = |place: &usize| {
        wanted.get(*place).copied().flatten().is_some_and(|seen| seen.offset <= piece.offset && piece.end() <= seen.end())
    };
    let missing = |place: &usize| {
        let have: usize = shares.get(*place).map_or(0, |share| {
            share.pieces.iter().filter_map(|&index| recording.pieces.get(index)).map(|piece| piece.bytes.len()).sum()
        });
        wanted.get(*place).copied().flatten().is_some_and(|seen| (have as u64) < seen.length)
    };
    let holders: Vec<usize> = owners.iter().copied().filter(holds).collect();
    match holders.iter().copied().find(missing).or(holders.last().copied()) {
        Some(owner) => vec![owner],
        None => owners,
    }
}

/// Whether a piece of this case arrived before one of an earlier case, or after one of a later case.
fn overtaken(shares: &[Share], place: usize) -> bool {
    let Some(own) = shares.get(place) else { return false };
    let (Some(first), Some(last)) = (own.pieces.iter().min(), own.pieces.iter().max()) else { return false };
    if own.merged {
        return false;
    }
    shares.iter().enumerate().any(|(other, share)| {
        !share.merged
            && match other.cmp(&place) {
                std::cmp::Ordering::Less => share.pieces.iter().any(|piece| piece > first),
                std::cmp::Ordering::Greater => share.pieces.iter().any(|piece| piece < last),
                std::cmp::Ordering::Equal => false,
            }
    })
}

fn judge(
    findings: &mut Findings,
    case: &Case,
    outcome: &Outcome,
    expectation: &Expectation,
    pieces: &[&Piece],
    merged: bool,
) {
    if merged {
        findings.add(Verdict::Merged, "one access carried bytes of more than one instruction");
    }
    let refused = expectation.refusals.iter().any(|refusal| refusal.matches(outcome));
    if !outcome.succeeded() && refused {
        if !pieces.is_empty() {
            findings.add(Verdict::AcceptedWrongly, "the guest was refused, yet the device saw it");
        }
        return;
    }
    if !expectation.accept {
        if outcome.succeeded() || !pieces.is_empty() {
            findings.add(Verdict::AcceptedWrongly, format!("expected {}", expectation.describe()));
        } else {
            findings.add(Verdict::RefusedWrongly, format!("expected {}", expectation.describe()));
        }
        return;
    }
    let device_refused = pieces.iter().any(|piece| !piece.accepted());
    if !outcome.succeeded() && !device_refused {
        findings.add(Verdict::RefusedWrongly, format!("expected {}", expectation.describe()));
    }
    let Some(seen) = &expectation.seen else {
        if !pieces.is_empty() {
            findings.add(Verdict::Altered, "the device saw an access that the guest did not make");
        }
        return;
    };
    if pieces.is_empty() {
        if outcome.succeeded() && !seen.optional {
            findings.add(Verdict::Lost, "the guest got condition code 0, the device saw nothing");
        }
        return;
    }
    if seen.access.is_store() {
        store::judge(findings, seen, pieces, merged);
    } else {
        load::judge(findings, seen, outcome, pieces);
    }
    debug_assert!(case.length == seen.length);
}

fn await_interrupt(findings: &mut Findings, case: &Case, outcome: &Outcome) {
    if !case.await_interrupt {
        return;
    }
    let adapter = 0x8000_0000 | (layout::ISC << 27);
    if outcome.interrupts == 0 {
        findings.add(Verdict::Lost, "no adapter interrupt within a second");
    } else if u64::from(outcome.interrupt_word) != adapter {
        findings.add(
            Verdict::Altered,
            format!("interruption word {:#010x}, expected {adapter:#010x}", outcome.interrupt_word),
        );
    }
}

#[cfg(test)]
mod tests;
