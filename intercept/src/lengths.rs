//! A second, short run, which finds the lengths at which block stores stop arriving whole.

use crate::expect::{Model, Refusal};
use crate::plan::{Base, Case, Handle, Instruction, Plan};
use crate::recording::Recording;
use crate::verdict::{CaseVerdict, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The result of one block store that should have arrived whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It arrived as one access with the right bytes.
    Whole,
    /// The guest was refused it.
    Refused {
        /// The program interruption code, unless it was a condition code.
        exception: Option<u16>,
        /// The condition code.
        condition: u8,
        /// The status that came with it.
        status: u8,
    },
    /// It arrived in accesses of this many bytes, or of different sizes.
    Split {
        /// Bytes of each access.
        size: Option<u64>,
        /// Whether the bytes arrived in reverse order.
        reversed: bool,
    },
    /// It fared worse.
    Other(Verdict),
}

/// Lengths from `from` to `to` that fare alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Stretch {
    pub from: u64,
    pub to: u64,
    /// The result of each.
    pub fate: Fate,
}

/// The results of block stores by length, in ascending order and without gaps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lengths(pub Vec<Stretch>);

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

/// Whether a case tells of its length only: an aligned block store into the DMB that a function must take.
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

/// Whether some plain length did not arrive whole, so that it is worth while to try all lengths.
pub(crate) fn are_worth_a_run(recording: &Recording, verdicts: &[CaseVerdict]) -> bool {
    let plain = recording.plan.cases.iter().zip(verdicts).enumerate();
    plain
        .filter(|(_, (case, _))| is_plain(case))
        .filter_map(|(index, (_, verdict))| Fate::of(index, recording, verdict))
        .any(|fate| fate != Fate::Whole)
}

/// The plan of the second run: block stores of all lengths that the function takes.
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
    #[must_use]
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

/// The causes that fit what the lengths show, the plainest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Longer stores are refused.
    Maximum {
        /// The longest that is not.
        longest: u64,
        /// How longer ones are refused.
        refusal: Refusal,
    },
    /// Stores of up to this many bytes are refused.
    Minimum {
        /// The longest of the short ones that are refused.
        below: u64,
        /// How.
        refusal: Refusal,
    },
    /// Only multiples of 8 are not refused.
    MultiplesOf8 {
        /// How others are refused.
        refusal: Refusal,
    },
    /// Stores are cut into accesses.
    Cut {
        /// The shortest that is.
        from: u64,
        /// The longest that arrives whole, if any does.
        whole: Option<u64>,
        /// Bytes of each access.
        size: Option<u64>,
        /// Whether the bytes of each are reversed.
        reversed: bool,
    },
    /// Stores fare worse from this length on.
    Wrong {
        from: u64,
        /// How.
        verdict: Verdict,
    },
}

impl Lengths {
    fn each(&self) -> impl Iterator<Item = (u64, Fate)> + '_ {
        self.0
            .iter()
            .flat_map(|stretch| (stretch.from..=stretch.to).map(|length| (length, stretch.fate)))
    }

    /// Causes that explain what becomes of the lengths.
    #[must_use]
    pub fn causes(&self) -> Vec<Cause> {
        let refusal = |fate: Fate| match fate {
            Fate::Refused {
                exception: Some(code),
                ..
            } => Some(Refusal::Exception(code)),
            Fate::Refused {
                condition, status, ..
            } => Some(Refusal::Condition(condition, Some(status))),
            _ => None,
        };
        let mut causes = Vec::new();
        let taken: Vec<u64> = self
            .each()
            .filter(|(_, fate)| refusal(*fate).is_none())
            .map(|(length, _)| length)
            .collect();
        let (Some(&shortest), Some(&longest)) = (taken.first(), taken.last()) else {
            return causes;
        };
        let refused_beyond = self.each().find(|(length, _)| *length > longest);
        if let Some(refusal) = refused_beyond.and_then(|(_, fate)| refusal(fate)) {
            causes.push(Cause::Maximum { longest, refusal });
        }
        let odd = |length: &u64| !length.is_multiple_of(8);
        let within = || {
            self.each()
                .filter(|(length, _)| (shortest..longest).contains(length))
        };
        let odd_refusal = within()
            .filter(|(length, _)| odd(length))
            .map(|(_, fate)| refusal(fate))
            .collect::<Option<Vec<_>>>()
            .and_then(|refusals| refusals.first().copied());
        if let Some(refusal) = odd_refusal {
            causes.push(Cause::MultiplesOf8 { refusal });
        }
        // Among those that are refused for being short, the ones that no other rule explains.
        let short = self
            .each()
            .take_while(|(length, _)| *length < shortest)
            .filter(|(length, _)| odd_refusal.is_none() || !odd(length))
            .last();
        if let Some((below, fate)) = short
            && let Some(refusal) = refusal(fate)
        {
            causes.push(Cause::Minimum { below, refusal });
        }
        let cut = self.each().find_map(|(from, fate)| match fate {
            Fate::Split { size, reversed } => Some((from, size, reversed)),
            _ => None,
        });
        if let Some((from, size, reversed)) = cut {
            let whole = self
                .each()
                .filter(|(length, fate)| *length < from && *fate == Fate::Whole)
                .last();
            causes.push(Cause::Cut {
                from,
                whole: whole.map(|(length, _)| length),
                size,
                reversed,
            });
        }
        causes.extend(self.each().find_map(|(from, fate)| match fate {
            Fate::Other(verdict) => Some(Cause::Wrong { from, verdict }),
            _ => None,
        }));
        causes
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Maximum { longest, refusal } => write!(
                f,
                "PCISTB longer than {longest} bytes: {refusal}. This looks like a maximum store block length of {longest}{}",
                if *longest == 128 {
                    ", that of QEMU's default group"
                } else {
                    ""
                }
            ),
            Self::Minimum { below, refusal } => write!(
                f,
                "PCISTB of {below} bytes or fewer: {refusal}. This looks like the lower limit of a strict function"
            ),
            Self::MultiplesOf8 { refusal } => write!(
                f,
                "PCISTB of other lengths than multiples of 8: {refusal}. This looks like the length check of a strict function"
            ),
            Self::Cut {
                from,
                whole,
                size,
                reversed,
            } => {
                match whole {
                    Some(whole) => write!(
                        f,
                        "PCISTB of {from} bytes is the shortest that is split; {whole} bytes arrive whole. "
                    )?,
                    None => write!(
                        f,
                        "PCISTB is split from {from} bytes on, and none arrives whole. "
                    )?,
                }
                match size {
                    Some(size) => {
                        write!(f, "This looks like a loop over accesses of {size} bytes")?;
                    }
                    None => f.write_str("The accesses differ in size")?,
                }
                if *reversed {
                    f.write_str(", each given in the wrong byte order")?;
                }
                Ok(())
            }
            Self::Wrong { from, verdict } => write!(
                f,
                "PCISTB of {from} bytes is the shortest whose bytes are {}{}",
                verdict.name(),
                if from.saturating_sub(1).is_power_of_two() {
                    format!(
                        ". This looks like a buffer or a number with room for {}",
                        from - 1
                    )
                } else {
                    String::new()
                }
            ),
        }
    }
}

/// The model decides which lengths a function must take.
pub(crate) fn classify(recording: &Recording, model: Model) -> Option<Lengths> {
    let verdicts = crate::verdict::classify(recording, model).ok()?;
    Some(Lengths::of(recording, &verdicts))
}

#[cfg(test)]
mod tests;
