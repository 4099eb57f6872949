//! Compares two reports case by case.

use crate::together::together;
use crate::verdict::kind::Verdict;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use strum::{EnumIter, IntoEnumIterator, IntoStaticStr};

/// One case of a baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Line {
    pub id: String,
    /// All verdicts in one line.
    pub label: String,
    /// All verdicts.
    pub verdicts: Vec<Verdict>,
    /// The guest's outcome. A baseline omits loaded values, which depend on the state of the device.
    pub guest: String,
    /// The guest's outcome without loaded values, in a report.
    #[serde(default, skip_serializing)]
    pub answer: Option<String>,
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

    /// Verdicts and answer as text that is the same for every length.
    pub fn words(&self) -> String {
        let names = Verdict::names(&self.verdicts, " + ");
        format!("{names} (guest: {})", self.answer())
    }
}

/// The way in which a case changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Kind {
    /// The case has more faults than before.
    Worse,
    /// The case has as many faults as before, but other ones, or the guest got another answer.
    Different,
    /// The case has fewer faults than before.
    Better,
    /// The baseline does not have it.
    New,
    /// Only the baseline has it.
    Gone,
}

impl Kind {
    /// Name in reports.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A case that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The kind of change.
    pub kind: Kind,
    pub id: String,
    /// The case in the baseline. None if the case is new.
    pub before: Option<Line>,
    /// The case now. None if the case is gone.
    pub now: Option<Line>,
}

impl Change {
    /// The old and the new result, as text that is the same for every length.
    pub fn words(&self) -> String {
        match (&self.before, &self.now) {
            (Some(before), Some(now)) => format!("{} -> {}", before.words(), now.words()),
            (Some(before), None) => format!("was {}", before.words()),
            (None, Some(now)) => now.words(),
            (None, None) => String::new(),
        }
    }
}

/// A comparison of a report with a baseline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The changed cases, in the order of the plan. Cases that are gone come last.
    pub changes: Vec<Change>,
}

impl Comparison {
    /// Compares `now` with `before`.
    pub fn new(before: &[Line], now: &[Line]) -> Self {
        let mut earlier: BTreeMap<&str, &Line> =
            before.iter().map(|line| (line.id.as_str(), line)).collect();
        let mut comparison = Self::default();
        for line in now {
            let old = earlier.remove(line.id.as_str());
            let kind = match old {
                None => Kind::New,
                Some(old) if old.equals(line) => continue,
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

    /// Whether no case changed.
    pub fn is_equal(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether the report is worse: more faults, other faults, or a new case with faults.
    pub fn is_worse(&self) -> bool {
        self.changes.iter().any(|change| match change.kind {
            Kind::Worse => true,
            Kind::Different | Kind::New => {
                change.now.as_ref().is_some_and(|line| line.faults() > 0)
            }
            Kind::Better | Kind::Gone => false,
        })
    }

    /// The change of a case. None if it did not change.
    pub fn of(&self, id: &str) -> Option<&Change> {
        self.changes.iter().find(|change| change.id == id)
    }

    /// Groups of similar changes, the most important kind first, then the largest group.
    pub fn alike(&self) -> Vec<((Kind, String), Vec<&Change>)> {
        let changes = self.changes.iter();
        let mut groups = together(changes.map(|change| ((change.kind, change.words()), change)));
        groups.sort_by_key(|((kind, _), changes)| (*kind, std::cmp::Reverse(changes.len())));
        groups
    }

    /// The number of cases for each kind of change, for example `2 better, 1 worse`.
    pub fn counts(&self) -> String {
        let kinds = self.changes.iter().map(|change| change.kind);
        let counts: Vec<String> = Kind::iter()
            .map(|kind| (kind, kinds.clone().filter(|each| *each == kind).count()))
            .filter(|(_, count)| *count > 0)
            .map(|(kind, count)| format!("{count} {}", kind.name()))
            .collect();
        counts.join(", ")
    }
}
