//! Makes text from facts. All forms of the report share it.

use super::model::{CaseReport, Report};
use crate::baseline::comparison::Comparison;
use crate::expect::exception_name;
use crate::lengths::fates::Lengths;
use crate::plan::{Base, Case, Handle, Instruction};
use crate::probe::Outcome;
use crate::together::together;
use crate::verdict::Detail;
use std::fmt::Write;

/// The instruction and its operands in one line.
pub(crate) fn operation(case: &Case) -> String {
    let name = case.instruction.name().to_uppercase();
    let space = match (case.space, case.base) {
        (15, _) => "config".to_owned(),
        (_, Base::Dmb) => "DMB".to_owned(),
        (space, Base::Space) => format!("BAR {space}"),
    };
    let mut line = match case.instruction {
        Instruction::Pcistb | Instruction::Pcistg | Instruction::Pcilg => {
            format!(
                "{name} {space} offset {:#x} length {}",
                case.offset, case.length
            )
        }
        Instruction::Rpcit => format!("{name} start {:#x} length {:#x}", case.offset, case.length),
        Instruction::Mpcifc | Instruction::Sic => format!("{name} operation {}", case.operation),
        Instruction::Stpcifc | Instruction::Clp | Instruction::Chsc => name,
        Instruction::Pcistbi | Instruction::Pcistgi | Instruction::Pcilgi => {
            format!("{name} length {}", case.length)
        }
        Instruction::Pciwb => name,
    };
    if case.source != 0 {
        line.push_str(&format!(" from page offset {:#x}", case.source));
    }
    match case.handle {
        Handle::Enabled => {}
        Handle::Disabled => line.push_str(", disabled handle"),
        Handle::Unknown => line.push_str(", unknown handle"),
        Handle::Zero => line.push_str(", handle 0"),
        Handle::Stale => line.push_str(", stale handle"),
    }
    line.push_str(&case.surroundings());
    if case.odd_register {
        line.push_str(", odd register");
    }
    line
}

/// The guest's outcome without loaded values and interrupts.
pub(crate) fn outcome(outcome: &Outcome) -> String {
    match outcome.exception {
        Some(code) => exception_name(code),
        None if outcome.condition == 1 => format!("cc 1 status {}", outcome.status),
        None => format!("cc {}", outcome.condition),
    }
}

/// The guest's outcome without loaded values and interrupts. `None` if the guest got no answer.
pub(crate) fn answer(report: &CaseReport) -> String {
    match (&report.stopped, report.outcome.executed) {
        (Some(_), _) => "no answer".into(),
        (None, false) => "not executed".into(),
        (None, true) => outcome(&report.outcome),
    }
}

/// The guest's whole outcome.
pub(crate) fn guest(report: &CaseReport) -> String {
    let (case, outcome) = (&report.case, &report.outcome);
    let mut line = answer(report);
    if report.stopped.is_some() || !outcome.executed {
        return line;
    }
    if outcome.succeeded() && case.instruction == Instruction::Pcilg {
        let digits = usize::try_from(case.length.min(8)).unwrap_or(8) * 2;
        line.push_str(&format!(", loaded 0x{:0digits$x}", outcome.loaded));
    }
    if outcome.interrupts > 0 {
        line.push_str(&format!(
            ", adapter interrupt {:#010x}",
            outcome.interrupt_word
        ));
    }
    line
}

/// The tested QEMU and the tools of the test, as names and values.
pub(crate) fn about(report: &Report) -> Vec<(&'static str, String)> {
    let environment = &report.environment;
    let mut about = vec![("tested", environment.executor.clone())];
    if let Some(binary) = &environment.binary {
        about.push(("binary", binary.path.clone()));
        about.push(("sha256", binary.sha256.clone()));
        about.extend(
            binary
                .build_id
                .iter()
                .map(|build_id| ("build-id", build_id.clone())),
        );
    }
    about.push(("plan", report.plan.clone()));
    about.extend(report.seed.map(|seed| ("seed", seed.to_string())));
    about.push(("host", environment.host.clone()));
    about.push(("profile", environment.profile.clone()));
    about.push(("measured-against", report.expect.name().to_owned()));
    about.push(("tool", environment.tool.clone()));
    about
}

/// The ways in which QEMU stopped, each once, with all its cases.
pub(crate) fn stops(report: &Report) -> Vec<String> {
    let stopped = report.cases.iter();
    let stopped = stopped.filter_map(|case| Some((case.stopped.as_ref()?, case.id.as_str())));
    let lines = together(stopped).into_iter();
    lines
        .map(|(stop, cases)| format!("{}: {stop}", cases.join(", ")))
        .collect()
}

/// The fault of a case, without expectation and answer. Empty for a good case.
pub(crate) fn detail(report: &CaseReport) -> String {
    report
        .stopped
        .as_ref()
        .map_or_else(|| facts(&report.details), ToString::to_string)
}

/// Most cases to name. The rest is only counted.
const NAMED: usize = 6;

/// Some names, and the number of the others.
pub(crate) fn name_some<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = names.len();
    let mut text = names.take(NAMED).collect::<Vec<_>>().join(", ");
    if count > NAMED {
        text.push_str(&format!(" and {} more", count - NAMED));
    }
    text
}

/// A comparison with a baseline, similar changes together.
pub(crate) fn changes(comparison: &Comparison) -> String {
    if comparison.is_equal() {
        return "nothing changed against the baseline\n".into();
    }
    let mut text = String::new();
    for ((kind, words), changes) in comparison.alike() {
        let names = name_some(changes.iter().map(|change| change.id.as_str()));
        let _ = writeln!(text, "{}: {words}: {names}", kind.name());
    }
    let _ = writeln!(text, "against the baseline: {}", comparison.counts());
    text
}

/// Known causes that fit the failures, as text.
pub(crate) fn causes(report: &Report) -> Vec<String> {
    let lengths = report.lengths.iter().flat_map(Lengths::causes);
    lengths.map(|cause| cause.to_string()).collect()
}

/// The facts behind a verdict in one line.
pub(crate) fn facts(details: &[Detail]) -> String {
    let words: Vec<String> = details.iter().map(ToString::to_string).collect();
    words.join("; ")
}

/// All facts about a failure, on several lines.
pub(crate) fn in_full(report: &CaseReport) -> String {
    let mut lines = vec![
        operation(&report.case),
        format!("expected: {}", report.expectation.describe()),
        format!("the guest got: {}", guest(report)),
    ];
    lines.extend(Some(detail(report)).filter(|detail| !detail.is_empty()));
    lines.extend(report.difference.map(|difference| difference.to_string()));
    if report.stopped.is_none() {
        lines.push(match report.pieces.len() {
            0 => "the device saw nothing".into(),
            1 => "the device saw 1 access:".into(),
            count => format!("the device saw {count} accesses:"),
        });
        for piece in &report.pieces {
            lines.push(format!(
                "  {} of {} at {:#x}, {}",
                piece.access.name(),
                piece.bytes.len(),
                piece.offset,
                piece.result
            ));
        }
    }
    lines.join("\n")
}
