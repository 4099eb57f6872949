//! The comparison with an earlier report.

use crate::expect::Model;
use crate::report::{CaseReport, Report, words};
use crate::verdict::Verdict;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The version of the format, that of the report's JSON form.
pub(crate) use crate::report::SCHEMA_VERSION;

/// Why a baseline cannot be used.
#[derive(Debug, Error)]
pub enum BaselineError {
    /// The file cannot be read.
    #[error("baseline {}", path.display())]
    File {
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is neither a baseline nor a report.
    #[error("baseline {}: at {key}: {reason}", path.display())]
    Invalid {
        path: PathBuf,
        /// Path of the key.
        key: String,
        reason: String,
    },
}

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
    /// The model that the cases were measured against.
    pub expect: Model,
    pub cases: Vec<Line>,
}

/// Where a baseline was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Origin {
    /// QEMU's version line.
    pub executor: String,
    pub host: String,
    pub profile: String,
}

/// One case of a baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Line {
    pub id: String,
    /// All verdicts in one line.
    pub label: String,
    /// All verdicts.
    pub verdicts: Vec<Verdict>,
    /// The guest's outcome. A baseline leaves out loaded values, which the state of the device decides.
    pub guest: String,
    /// The same without loaded values, in a report.
    #[serde(default, skip_serializing)]
    pub answer: Option<String>,
}

impl From<&CaseReport> for Line {
    fn from(case: &CaseReport) -> Self {
        Self {
            id: case.id.clone(),
            label: case.label.clone(),
            verdicts: case.verdicts.clone(),
            guest: words::answer(case),
            answer: None,
        }
    }
}

impl Line {
    fn answer(&self) -> &str {
        self.answer.as_ref().unwrap_or(&self.guest)
    }

    fn faults(&self) -> usize {
        self.verdicts
            .iter()
            .filter(|verdict| !verdict.is_good())
            .count()
    }

    fn equals(&self, other: &Self) -> bool {
        self.label == other.label && self.answer() == other.answer()
    }

    /// Verdicts and answer in words that are the same for every length.
    #[must_use]
    pub fn words(&self) -> String {
        let names: Vec<&str> = self.verdicts.iter().map(|verdict| verdict.name()).collect();
        format!("{} (guest: {})", names.join(" + "), self.answer())
    }
}

impl Baseline {
    /// The part of `report` that is compared.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
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

    /// The baseline of a part of the cases.
    #[must_use]
    pub fn restricted(&self, wanted: impl Fn(&str) -> bool) -> Self {
        let mut part = self.clone();
        part.cases.retain(|line| wanted(&line.id));
        part
    }

    /// Reads a baseline, or a report.
    ///
    /// # Errors
    /// A file that cannot be read or is neither.
    pub fn read(path: &Path) -> Result<Self, BaselineError> {
        let text = std::fs::read_to_string(path).map_err(|source| BaselineError::File {
            path: path.to_owned(),
            source,
        })?;
        let invalid = |key: String, reason: String| BaselineError::Invalid {
            path: path.to_owned(),
            key,
            reason,
        };
        let mut json = serde_json::Deserializer::from_str(&text);
        let baseline: Self = serde_path_to_error::deserialize(&mut json)
            .map_err(|error| invalid(error.path().to_string(), error.inner().to_string()))?;
        if baseline.schema_version != SCHEMA_VERSION {
            return Err(invalid(
                "schema-version".into(),
                format!(
                    "is {}, expected {}",
                    baseline.schema_version, SCHEMA_VERSION
                ),
            ));
        }
        Ok(baseline)
    }

    /// As JSON, a line a case, so that a change shows as one in a diff.
    ///
    /// # Errors
    /// None that is known: the text is made in memory.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let head = Self {
            cases: Vec::new(),
            ..self.clone()
        };
        let head = serde_json::to_string_pretty(&head)?;
        let lines = self
            .cases
            .iter()
            .map(|line| Ok(format!("    {}", serde_json::to_string(line)?)))
            .collect::<Result<Vec<_>, serde_json::Error>>()?;
        let cases = format!("\"cases\": [\n{}\n  ]", lines.join(",\n"));
        Ok(head.replace("\"cases\": []", &cases) + "\n")
    }
}

/// How a case changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It has more faults than before.
    Worse,
    /// It has as many faults as before, but others, or the guest got another answer.
    Different,
    /// It has fewer faults than before.
    Better,
    /// The baseline does not have it.
    New,
    /// Only the baseline has it.
    Gone,
}

impl Kind {
    /// All, the most important first.
    pub const ALL: [Self; 5] = [
        Self::Worse,
        Self::Different,
        Self::Better,
        Self::New,
        Self::Gone,
    ];

    /// Name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Worse => "worse",
            Self::Different => "different",
            Self::Better => "better",
            Self::New => "new",
            Self::Gone => "gone",
        }
    }
}

/// One case that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// How.
    pub kind: Kind,
    pub id: String,
    /// As the baseline has it, unless it is new.
    pub before: Option<Line>,
    /// As it is now, unless it is gone.
    pub now: Option<Line>,
}

impl Change {
    /// The old and the new result, in words that are the same for every length.
    #[must_use]
    pub fn words(&self) -> String {
        match (&self.before, &self.now) {
            (Some(before), Some(now)) => format!("{} -> {}", before.words(), now.words()),
            (Some(before), None) => format!("was {}", before.words()),
            (None, Some(now)) => now.words(),
            (None, None) => String::new(),
        }
    }
}

/// A report against a baseline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The cases that changed, in the order of the plan, those that are gone last.
    pub changes: Vec<Change>,
    /// The cases that are not as they should be and have not changed.
    pub known: BTreeSet<String>,
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
            let old = earlier.remove(line.id.as_str());
            let kind = match old {
                None => Kind::New,
                Some(old) if old.equals(line) => {
                    if line.faults() > 0 {
                        comparison.known.insert(line.id.clone());
                    }
                    continue;
                }
                Some(old) => match line.faults().cmp(&old.faults()) {
                    Ordering::Less => Kind::Better,
                    Ordering::Greater => Kind::Worse,
                    Ordering::Equal => Kind::Different,
                },
            };
            comparison.changes.push(Change {
                kind,
                id: line.id.clone(),
                before: old.cloned(),
                now: Some(line.clone()),
            });
        }
        let gone = before
            .cases
            .iter()
            .filter(|line| earlier.contains_key(line.id.as_str()));
        comparison.changes.extend(gone.map(|line| Change {
            kind: Kind::Gone,
            id: line.id.clone(),
            before: Some(line.clone()),
            now: None,
        }));
        comparison
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether something is worse: more faults, other faults, or a new case with faults.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        self.changes.iter().any(|change| match change.kind {
            Kind::Worse => true,
            Kind::Different | Kind::New => {
                change.now.as_ref().is_some_and(|line| line.faults() > 0)
            }
            Kind::Better | Kind::Gone => false,
        })
    }

    /// The change of a case, if it changed.
    #[must_use]
    pub fn of(&self, id: &str) -> Option<&Change> {
        self.changes.iter().find(|change| change.id == id)
    }

    /// Changes that are alike, together: the most important kind first, then the most cases.
    #[must_use]
    pub fn alike(&self) -> Vec<(Kind, String, Vec<&Change>)> {
        let mut groups: Vec<(Kind, String, Vec<&Change>)> = Vec::new();
        for change in &self.changes {
            let words = change.words();
            let known = groups
                .iter_mut()
                .find(|(kind, known, _)| *kind == change.kind && *known == words);
            match known {
                Some((_, _, changes)) => changes.push(change),
                None => groups.push((change.kind, words, vec![change])),
            }
        }
        groups.sort_by_key(|(kind, _, changes)| (*kind, std::cmp::Reverse(changes.len())));
        groups
    }

    /// How many cases changed in each way, e.g. `2 better, 1 worse`.
    #[must_use]
    pub fn counts(&self) -> String {
        let counts: Vec<String> = Kind::ALL
            .into_iter()
            .map(|kind| {
                let count = self.changes.iter().filter(|change| change.kind == kind);
                (kind, count.count())
            })
            .filter(|(_, count)| *count > 0)
            .map(|(kind, count)| format!("{count} {}", kind.name()))
            .collect();
        counts.join(", ")
    }

    /// In words, alike changes together.
    #[must_use]
    pub fn describe(&self) -> String {
        if self.is_equal() {
            return "nothing changed against the baseline\n".into();
        }
        let mut text = String::new();
        for (kind, words, changes) in self.alike() {
            let names = crate::report::name_some(changes.iter().map(|change| change.id.as_str()));
            let _ = writeln!(text, "{}: {words}: {names}", kind.name());
        }
        let _ = writeln!(text, "against the baseline: {}", self.counts());
        text
    }
}

#[cfg(test)]
mod tests;
