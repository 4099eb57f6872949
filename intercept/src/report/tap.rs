//! Test Anything Protocol, version 14.

use super::model::{CaseReport, Report};
use crate::verdict::Verdict;
use std::fmt::Write;

/// The report as TAP.
#[must_use]
pub fn tap(report: &Report) -> String {
    let mut text = format!("TAP version 14\n1..{}\n", report.cases.len());
    let _ = writeln!(text, "# {}", report.environment.executor);
    for (number, case) in (1..).zip(&report.cases) {
        line(&mut text, number, case);
    }
    text
}

fn line(text: &mut String, number: usize, case: &CaseReport) {
    let status = if case.good { "ok" } else { "not ok" };
    let skip = if case.verdicts.contains(&Verdict::NotRun) {
        " # SKIP for the other way of issuing commands"
    } else {
        ""
    };
    let _ = writeln!(text, "{status} {number} - {}{skip}", escape(&case.id));
    if case.good {
        return;
    }
    let quoted = |value: &str| serde_json::Value::from(value).to_string();
    let _ = writeln!(text, "  ---");
    for (key, value) in [
        ("verdict", &case.label),
        ("instruction", &case.operation),
        ("expected", &case.expected),
        ("guest", &case.guest),
        ("detail", &case.detail),
    ] {
        let _ = writeln!(text, "  {key}: {}", quoted(value));
    }
    let _ = writeln!(text, "  pieces: {}", case.pieces.len());
    let _ = writeln!(text, "  ...");
}

/// `#` and `\` would end or change a description.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#")
}
