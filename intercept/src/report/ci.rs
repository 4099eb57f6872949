//! Maps a case to passed, failed or skipped, for programs that know no other results.

use super::model::{CaseReport, Report};
use super::words;
use crate::args::FailOn;
use crate::baseline::comparison::Kind;
use crate::recording::Stop;
use crate::verdict::Verdict;

/// The state of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The case is as it should be.
    Passed,
    /// The case makes the run fail, for this reason.
    Failed(String),
    /// The case does not count, for this reason.
    Skipped(String),
}

/// The state of a case for the given `--fail-on`.
pub fn state(report: &Report, case: &CaseReport, fail_on: FailOn) -> State {
    if !case.ran() {
        let change = report.comparison.as_ref().and_then(|all| all.of(&case.id));
        let why = not_run(report, case);
        return match change.filter(|_| fail_on == FailOn::Changed) {
            Some(change) => State::Failed(format!("{why} ({})", change.words())),
            None => State::Skipped(why),
        };
    }
    let wrong = || what_is_wrong(case);
    let Some(comparison) = &report.comparison else {
        return if case.good {
            State::Passed
        } else {
            State::Failed(wrong())
        };
    };
    let change = comparison.of(&case.id);
    let words = || change.map_or_else(String::new, crate::baseline::comparison::Change::words);
    match (fail_on, change.map(|change| change.kind)) {
        (FailOn::Changed, Some(kind)) => State::Failed(if case.good {
            format!("{} than the baseline: {}", kind.name(), words())
        } else {
            format!("{} ({}: {})", wrong(), kind.name(), words())
        }),
        _ if case.good => State::Passed,
        (FailOn::Any, _) => State::Failed(wrong()),
        (_, None) => State::Skipped(format!("known: {}", wrong())),
        (_, Some(Kind::Better)) => State::Skipped(format!("better than the baseline: {}", wrong())),
        (_, Some(kind)) => State::Failed(format!("{} ({}: {})", wrong(), kind.name(), words())),
    }
}

/// The cases that only the baseline has and that make the run fail: name and reason.
pub(super) fn gone(report: &Report, fail_on: FailOn) -> Vec<(&str, String)> {
    let changes = report.comparison.iter().flat_map(|all| &all.changes);
    changes
        .filter(|change| change.kind == Kind::Gone && fail_on == FailOn::Changed)
        .map(|change| (change.id.as_str(), format!("gone: {}", change.words())))
        .collect()
}

/// The reason why a case did not run.
pub(super) fn not_run(report: &Report, case: &CaseReport) -> String {
    match report.stopped_set_up() {
        Some((step, Stop::Crashed { .. })) => format!("QEMU crashed at {step}, before the plan"),
        Some((step, Stop::Hung { .. })) => format!("the guest hung at {step}, before the plan"),
        None if report.ended_early() => "QEMU stopped too often before it".into(),
        None if case.details.is_empty() => "it was not reached".into(),
        None => words::facts(&case.details),
    }
}

/// Describes the fault of a case in one line.
pub(super) fn what_is_wrong(case: &CaseReport) -> String {
    let mut line = case.label.clone();
    if case.stopped.is_none() && case.verdicts != [Verdict::NotRun] {
        line.push_str(&format!(
            ": expected {}, the guest got {}",
            case.expectation.describe(),
            words::guest(case)
        ));
    }
    let detail = words::detail(case);
    if !detail.is_empty() {
        line.push_str(&format!("; {detail}"));
    }
    if let Some(difference) = case.difference {
        line.push_str(&format!("; {difference}"));
    }
    line
}
