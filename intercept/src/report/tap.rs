//! Test Anything Protocol, version 14.

use super::ci::{State, gone, state};
use super::model::{CaseReport, Report};
use super::words;
use crate::args::FailOn;
use std::fmt::Write;

/// The reports as TAP.
pub fn tap(reports: &[Report], fail_on: FailOn) -> String {
    let results = |report: &Report| report.cases.len() + gone(report, fail_on).len();
    let count: usize = reports.iter().map(results).sum();
    let mut text = format!("TAP version 14\n1..{count}\n");
    let mut number = 0;
    for report in reports {
        for (name, value) in words::about(report) {
            let _ = writeln!(text, "# {name}: {}", line_of(&value));
        }
        if let Some((step, stop)) = report.stopped_set_up() {
            let _ = writeln!(text, "# {}", line_of(&format!("stopped at {step}: {stop}")));
        }
        let prefix = match reports {
            [_] => String::new(),
            _ => format!("{}: ", report.environment.executor),
        };
        for case in &report.cases {
            number += 1;
            line(
                &mut text,
                number,
                &prefix,
                case,
                &state(report, case, fail_on),
            );
        }
        for (id, why) in gone(report, fail_on) {
            number += 1;
            let name = escape(&format!("{prefix}{id}"));
            let _ = writeln!(text, "not ok {number} - {name}\n  ---");
            let _ = writeln!(text, "  verdict: {}\n  ...", quoted(&why));
        }
        if report.stopped_set_up().is_some() {
            let _ = writeln!(text, "Bail out! The set-up did not end");
        }
    }
    text
}

fn line(text: &mut String, number: usize, prefix: &str, case: &CaseReport, state: &State) {
    let name = escape(&format!("{prefix}{}", case.id));
    match state {
        State::Passed => {
            let _ = writeln!(text, "ok {number} - {name}");
            return;
        }
        State::Skipped(why) => {
            let _ = writeln!(text, "ok {number} - {name} # SKIP {}", escape(why));
            return;
        }
        State::Failed(_) => {
            let _ = writeln!(text, "not ok {number} - {name}");
        }
    }
    let _ = writeln!(text, "  ---");
    for (key, value) in [
        ("verdict", case.label.clone()),
        ("instruction", words::operation(&case.case)),
        ("expected", case.expectation.describe()),
        ("guest", words::guest(case)),
        ("detail", words::detail(case)),
    ] {
        let _ = writeln!(text, "  {key}: {}", quoted(&value));
    }
    let _ = writeln!(text, "  pieces: {}", case.pieces.len());
    let _ = writeln!(text, "  ...");
}

/// The text as a string of YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Escapes `#` and `\`, which would end or change a description.
fn escape(text: &str) -> String {
    line_of(text).replace('\\', "\\\\").replace('#', "\\#")
}

/// The text in one line. A name with a line end would else begin a result of its own.
fn line_of(text: &str) -> String {
    text.replace(['\n', '\r'], " / ")
}
