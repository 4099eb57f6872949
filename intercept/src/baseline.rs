//! What changed against an earlier report.

use crate::expect::Model;
use crate::report::{CaseReport, Report, ReportError};
use crate::verdict::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// The part of a report that is compared. A whole report reads as one, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Baseline {
    /// Version of the report format, 1.
    pub schema_version: u32,
    /// Where it was made.
    pub environment: Origin,
    /// Name of the plan.
    pub plan: String,
    /// Seed of a random plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// What was measured against.
    pub expect: Model,
    /// The cases.
    pub cases: Vec<Line>,
}

/// Where a baseline was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Origin {
    /// QEMU's version line.
    pub executor: String,
    /// The host.
    pub host: String,
    /// The profile.
    pub profile: String,
}

/// One case of a baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Line {
    /// The case.
    pub id: String,
    /// All verdicts in one line.
    pub label: String,
    /// All verdicts.
    pub verdicts: Vec<Verdict>,
    /// What the guest got, without loaded values, which the state of the device decides.
    pub guest: String,
}

impl From<&CaseReport> for Line {
    fn from(case: &CaseReport) -> Self {
        Self {
            id: case.id.clone(),
            label: case.label.clone(),
            verdicts: case.verdicts.clone(),
            guest: outcome(&case.guest).to_owned(),
        }
    }
}

fn outcome(guest: &str) -> &str {
    guest.split(',').next().unwrap_or_default()
}

impl Line {
    fn describe(&self) -> String {
        format!("{} (guest: {})", self.label, outcome(&self.guest))
    }

    fn faults(&self) -> usize {
        self.verdicts
            .iter()
            .filter(|verdict| !verdict.is_good())
            .count()
    }

    fn equals(&self, other: &Self) -> bool {
        self.label == other.label && outcome(&self.guest) == outcome(&other.guest)
    }
}

impl Baseline {
    /// The part of `report` that is compared.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        Self {
            schema_version: report.schema_version,
            environment: Origin {
                executor: report.environment.executor.clone(),
                host: report.environment.host.clone(),
                profile: report.environment.profile.clone(),
            },
            plan: report.plan.clone(),
            seed: report.seed,
            expect: report.expect,
            cases: report.cases.iter().map(Line::from).collect(),
        }
    }

    /// Reads a baseline, or a report.
    ///
    /// # Errors
    /// A file that cannot be read or is neither.
    pub fn read(path: &Path) -> Result<Self, ReportError> {
        let text = std::fs::read_to_string(path).map_err(|source| ReportError::File {
            path: path.to_owned(),
            source,
        })?;
        let invalid = |key: String, reason: String| ReportError::Invalid {
            path: path.to_owned(),
            key,
            reason,
        };
        let mut json = serde_json::Deserializer::from_str(&text);
        let baseline: Self = serde_path_to_error::deserialize(&mut json)
            .map_err(|error| invalid(error.path().to_string(), error.inner().to_string()))?;
        if baseline.schema_version != crate::report::SCHEMA_VERSION {
            return Err(invalid(
                "schema-version".into(),
                format!(
                    "is {}, expected {}",
                    baseline.schema_version,
                    crate::report::SCHEMA_VERSION
                ),
            ));
        }
        Ok(baseline)
    }

    /// As JSON, a line a case, so that a change shows as one in a diff.
    #[must_use]
    pub fn to_json(&self) -> String {
        let head = Self {
            cases: Vec::new(),
            ..self.clone()
        };
        let head = serde_json::to_string_pretty(&head).unwrap_or_default();
        let lines: Vec<String> = self
            .cases
            .iter()
            .map(|line| format!("    {}", serde_json::to_string(line).unwrap_or_default()))
            .collect();
        let cases = format!("\"cases\": [\n{}\n  ]", lines.join(",\n"));
        head.replace("\"cases\": []", &cases) + "\n"
    }
}

/// One case whose verdict changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The case.
    pub id: String,
    /// Verdicts before, and the guest's outcome; empty for a new case.
    pub before: String,
    /// The same now; empty for a case that is gone.
    pub now: String,
}

/// All changes, by kind, each in the order of the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Has fewer faults than before.
    pub better: Vec<Change>,
    /// Has more faults than before.
    pub worse: Vec<Change>,
    /// As many faults as before, but others.
    pub different: Vec<Change>,
    /// Not in the earlier report.
    pub new: Vec<Change>,
    /// In the earlier report only.
    pub gone: Vec<Change>,
}

impl Comparison {
    /// Compares `now` with `before`.
    #[must_use]
    pub fn new(before: &Baseline, now: &Baseline) -> Self {
        let mut earlier: BTreeMap<&str, &Line> = before
            .cases
            .iter()
            .map(|line| (line.id.as_str(), line))
            .collect();
        let mut comparison = Self::default();
        for line in &now.cases {
            let Some(old) = earlier.remove(line.id.as_str()) else {
                comparison.new.push(Change {
                    id: line.id.clone(),
                    before: String::new(),
                    now: line.describe(),
                });
                continue;
            };
            if old.equals(line) {
                continue;
            }
            let change = Change {
                id: line.id.clone(),
                before: old.describe(),
                now: line.describe(),
            };
            match line.faults().cmp(&old.faults()) {
                std::cmp::Ordering::Less => comparison.better.push(change),
                std::cmp::Ordering::Greater => comparison.worse.push(change),
                std::cmp::Ordering::Equal => comparison.different.push(change),
            }
        }
        comparison.gone = before
            .cases
            .iter()
            .filter(|line| earlier.contains_key(line.id.as_str()))
            .map(|line| Change {
                id: line.id.clone(),
                before: line.describe(),
                now: String::new(),
            })
            .collect();
        comparison
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        *self == Self::default()
    }

    /// In words, one line a case.
    #[must_use]
    pub fn describe(&self) -> String {
        if self.is_equal() {
            return "nothing changed against the baseline\n".into();
        }
        let mut text = String::new();
        let kinds = [
            ("better", &self.better),
            ("worse", &self.worse),
            ("different", &self.different),
            ("new", &self.new),
            ("gone", &self.gone),
        ];
        for (name, changes) in kinds {
            for change in changes {
                let _ = match (change.before.is_empty(), change.now.is_empty()) {
                    (true, _) => writeln!(text, "{name}: {}: {}", change.id, change.now),
                    (_, true) => writeln!(text, "{name}: {}: was {}", change.id, change.before),
                    _ => writeln!(
                        text,
                        "{name}: {}: {} -> {}",
                        change.id, change.before, change.now
                    ),
                };
            }
        }
        let counts: Vec<String> = kinds
            .iter()
            .filter(|(_, changes)| !changes.is_empty())
            .map(|(name, changes)| format!("{} {name}", changes.len()))
            .collect();
        let _ = writeln!(text, "against the baseline: {}", counts.join(", "));
        text
    }
}

#[cfg(test)]
mod tests;
