//! A second, short run that finds the lengths at which block stores no longer arrive in one piece.

mod causes;
pub(crate) mod fates;

use crate::expect::Model;
use crate::plan::{Base, Case, Handle, Instruction, Plan};
use crate::recording::Recording;
use crate::verdict::{CaseVerdict, Verdict};
use fates::{Fate, Lengths, Stretch};
use std::collections::BTreeMap;

impl Fate {
    fn of(index: usize, recording: &Recording, verdict: &CaseVerdict) -> Option<Self> {
        let outcome = recording.outcomes.get(index)?;
        let has = |wanted: Verdict| verdict.verdicts.contains(&wanted);
        if !outcome.executed
            || !verdict.expectation.accept
            || !verdict.expectation.refusals.is_empty()
        {
            return None;
        }
        let plain = |wanted: &Verdict| matches!(wanted, Verdict::Split | Verdict::Reversed);
        Some(match verdict.verdicts.first()? {
            Verdict::Whole => Self::Whole,
            Verdict::RefusedWrongly => Self::Refused {
                exception: outcome.exception,
                condition: outcome.condition,
                status: outcome.status,
            },
            _ if verdict.verdicts.iter().all(plain) && has(Verdict::Split) => Self::Split {
                size: verdict.split.and_then(|(_, size)| size),
                reversed: has(Verdict::Reversed),
            },
            first => Self::Other(*first),
        })
    }
}

/// Whether only its length distinguishes a case: an aligned block store into the DMB that a function must
/// accept.
fn is_plain(case: &Case) -> bool {
    case.instruction == Instruction::Pcistb
        && case.base == Base::Dmb
        && case.handle == Handle::Enabled
        && !case.joined
        && !case.odd_register
        && case.patch.is_none()
        && case.offset.is_multiple_of(8)
        && case.source == 0
}

/// Whether a plain length did not arrive in one piece, so that the second run is useful.
pub(crate) fn are_worth_a_run(recording: &Recording, verdicts: &[CaseVerdict]) -> bool {
    let plain = recording.plan.cases.iter().zip(verdicts).enumerate();
    plain
        .filter(|(_, (case, _))| is_plain(case))
        .filter_map(|(index, (_, verdict))| Fate::of(index, recording, verdict))
        .any(|fate| fate != Fate::Whole)
}

/// The plan of the second run: block stores of all lengths that the function accepts.
pub(crate) fn plan(maximum: u16) -> Plan {
    let cases = (1..=u64::from(maximum))
        .map(|length| Case {
            base: Base::Dmb,
            length,
            ..Case::new(format!("length-{length}"), "lengths", Instruction::Pcistb)
        })
        .collect();
    Plan {
        schema_version: crate::plan::SCHEMA_VERSION,
        name: "lengths".into(),
        seed: None,
        cases,
    }
}

impl Lengths {
    /// The result of a run of [`plan`].
    pub fn of(recording: &Recording, verdicts: &[CaseVerdict]) -> Self {
        let mut fates = BTreeMap::new();
        let cases = recording.plan.cases.iter().zip(verdicts).enumerate();
        for (index, (case, verdict)) in cases {
            if let Some(fate) = Fate::of(index, recording, verdict) {
                fates.insert(case.length, fate);
            }
        }
        let mut stretches: Vec<Stretch> = Vec::new();
        for (length, fate) in fates {
            match stretches.last_mut() {
                Some(last) if last.fate == fate => last.to = length,
                _ => stretches.push(Stretch {
                    from: length,
                    to: length,
                    fate,
                }),
            }
        }
        Self(stretches)
    }
}

/// Judges a run. The model decides which lengths a function must accept.
pub(crate) fn classify(recording: &Recording, model: Model) -> Option<Lengths> {
    let verdicts = crate::verdict::classify(recording, model).ok()?;
    Some(Lengths::of(recording, &verdicts))
}

#[cfg(test)]
mod tests;
