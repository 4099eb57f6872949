//! Failures that are alike, together, so that hundreds of them can be read.

use super::model::{CaseReport, Report};
use super::words;
use crate::plan::Instruction;
use crate::verdict::Verdict;

/// Failures of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alike<'a> {
    /// The executed instruction.
    pub instruction: Instruction,
    /// The result.
    pub verdicts: Vec<Verdict>,
    /// The expected result, for any length.
    pub expected: String,
    /// The guest's outcome.
    pub answer: String,
    /// The cases, in the order of the plan.
    pub cases: Vec<&'a CaseReport>,
}

impl Alike<'_> {
    /// The verdicts in one line.
    #[must_use]
    pub(super) fn verdict(&self) -> String {
        let names: Vec<&str> = self.verdicts.iter().map(|verdict| verdict.name()).collect();
        names.join(" + ")
    }
}

/// The failures of a report by kind: those that stop QEMU first, then those with the most cases.
#[must_use]
pub(super) fn alike(report: &Report) -> Vec<Alike<'_>> {
    let mut kinds: Vec<Alike<'_>> = Vec::new();
    for case in report.cases.iter().filter(|case| !case.good) {
        let (expected, answer) = (case.expectation.kind(), words::answer(case));
        let known = kinds.iter_mut().find(|kind| {
            kind.instruction == case.instruction
                && kind.verdicts == case.verdicts
                && kind.expected == expected
                && kind.answer == answer
        });
        match known {
            Some(kind) => kind.cases.push(case),
            None => kinds.push(Alike {
                instruction: case.instruction,
                verdicts: case.verdicts.clone(),
                expected,
                answer,
                cases: vec![case],
            }),
        }
    }
    let stops = |kind: &Alike<'_>| kind.cases.iter().any(|case| case.stopped.is_some());
    kinds.sort_by_key(|kind| (!stops(kind), std::cmp::Reverse(kind.cases.len())));
    kinds
}
