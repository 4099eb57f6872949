//! Groups similar failures, so that a person can read hundreds of them.

use super::model::{CaseReport, Report};
use super::words;
use crate::plan::Instruction;
use crate::together::together;
use crate::verdict::Verdict;

/// The common features of a kind of failures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kind {
    /// The executed instruction.
    pub instruction: Instruction,
    /// The result.
    pub verdicts: Vec<Verdict>,
    /// The expected result, as text for any length.
    pub expected: String,
    /// The guest's outcome.
    pub answer: String,
}

/// The failures of a report by kind. Kinds that stop QEMU come first, then those with the most cases.
pub(super) fn alike(report: &Report) -> Vec<(Kind, Vec<&CaseReport>)> {
    let failures = report.cases.iter().filter(|case| !case.good);
    let mut kinds = together(failures.map(|case| {
        let kind = Kind {
            instruction: case.instruction,
            verdicts: case.verdicts.clone(),
            expected: case.expectation.kind(),
            answer: words::answer(case),
        };
        (kind, case)
    }));
    let stops = |cases: &[&CaseReport]| cases.iter().any(|case| case.stopped.is_some());
    kinds.sort_by_key(|(_, cases)| (!stops(cases), std::cmp::Reverse(cases.len())));
    kinds
}
