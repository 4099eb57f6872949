//! What changed against an earlier report.

use crate::report::{CaseReport, Report};
use std::collections::BTreeMap;
use std::fmt::Write;

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
    /// Was wrong and is as it should be, or has fewer faults.
    pub better: Vec<Change>,
    /// Was as it should be and is wrong, or has more faults.
    pub worse: Vec<Change>,
    /// As many faults as before, but others.
    pub different: Vec<Change>,
    /// Not in the earlier report.
    pub new: Vec<Change>,
    /// In the earlier report only.
    pub gone: Vec<Change>,
}

fn describe(case: &CaseReport) -> String {
    format!("{} (guest: {})", case.label, outcome(case))
}

/// The guest's outcome without loaded values, which may differ from run to run.
fn outcome(case: &CaseReport) -> &str {
    case.guest.split(',').next().unwrap_or_default()
}

fn faults(case: &CaseReport) -> usize {
    case.verdicts.iter().filter(|verdict| !verdict.is_good()).count()
}

impl Comparison {
    /// Compares `now` with `before`.
    #[must_use]
    pub fn new(before: &Report, now: &Report) -> Self {
        let mut earlier: BTreeMap<&str, &CaseReport> =
            before.cases.iter().map(|case| (case.id.as_str(), case)).collect();
        let mut comparison = Self::default();
        for case in &now.cases {
            let Some(old) = earlier.remove(case.id.as_str()) else {
                comparison.new.push(Change { id: case.id.clone(), before: String::new(), now: describe(case) });
                continue;
            };
            if old.label == case.label && outcome(old) == outcome(case) {
                continue;
            }
            let change = Change { id: case.id.clone(), before: describe(old), now: describe(case) };
            match faults(case).cmp(&faults(old)) {
                std::cmp::Ordering::Less => comparison.better.push(change),
                std::cmp::Ordering::Greater => comparison.worse.push(change),
                std::cmp::Ordering::Equal => comparison.different.push(change),
            }
        }
        comparison.gone = before
            .cases
            .iter()
            .filter(|case| earlier.contains_key(case.id.as_str()))
            .map(|case| Change { id: case.id.clone(), before: describe(case), now: String::new() })
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
                    _ => writeln!(text, "{name}: {}: {} -> {}", change.id, change.before, change.now),
                };
            }
        }
        text
    }
}
