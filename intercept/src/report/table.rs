//! The report for a terminal: totals, the matrix of groups, then failures, alike ones together.

use super::model::{CaseReport, Report};
use crate::verdict::Verdict;
use comfy_table::{Attribute, Cell, Color, Table, presets};
use std::fmt::Write;

/// Failures of one kind that are named before the rest is only counted.
const NAMED: usize = 6;

/// The report as text; `color` with escape sequences.
#[must_use]
pub fn table(report: &Report, color: bool) -> String {
    let mut text = String::new();
    heading(&mut text, report);
    totals(&mut text, report, color);
    groups(&mut text, report, color);
    failures(&mut text, report, color);
    stops(&mut text, report);
    unaccounted(&mut text, report);
    text
}

fn heading(text: &mut String, report: &Report) {
    let environment = &report.environment;
    let seed = report
        .seed
        .map(|seed| format!(", seed {seed}"))
        .unwrap_or_default();
    let _ = writeln!(text, "{}", environment.executor);
    let _ = writeln!(
        text,
        "plan {}{seed} on {}, profile {}, measured against a {} function",
        report.plan,
        environment.host,
        environment.profile,
        report.expect.name()
    );
    if let Some((step, stop)) = report.stopped_set_up() {
        let _ = writeln!(
            text,
            "stopped at {step}, a step of the set-up, so what comes behind it did not run: {stop}"
        );
    }
    let failed: Vec<&str> = report
        .setup
        .iter()
        .filter(|step| step.outcome.executed && !step.outcome.succeeded())
        .map(|step| step.name.as_str())
        .collect();
    if !failed.is_empty() {
        let _ = writeln!(text, "refused during set-up: {}", failed.join(", "));
    }
}

fn paint(verdict: Verdict) -> Color {
    match verdict {
        Verdict::Whole | Verdict::AsSpecified => Color::Green,
        Verdict::NotRun => Color::DarkGrey,
        Verdict::Split | Verdict::Reversed | Verdict::Reordered | Verdict::Merged => Color::Yellow,
        Verdict::Crashed
        | Verdict::Hung
        | Verdict::Altered
        | Verdict::Lost
        | Verdict::RefusedWrongly
        | Verdict::AcceptedWrongly => Color::Red,
    }
}

fn new_table(color: bool) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    if color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table
}

fn totals(text: &mut String, report: &Report, color: bool) {
    let not_good = report.ran - report.good;
    let line = format!(
        "{} instructions: {} as they should be, {not_good} not",
        report.ran, report.good
    );
    let mut table = new_table(color);
    let verdicts = Verdict::ALL.into_iter().filter_map(|verdict| {
        report
            .totals
            .get(verdict.name())
            .map(|count| (verdict, count))
    });
    let (mut names, mut counts) = (Vec::new(), Vec::new());
    for (verdict, count) in verdicts {
        names.push(Cell::new(verdict.name()).fg(paint(verdict)));
        counts.push(Cell::new(count).add_attribute(Attribute::Bold));
    }
    table.set_header(names);
    table.add_row(counts);
    let _ = writeln!(text, "{line}\n{table}");
}

fn groups(text: &mut String, report: &Report, color: bool) {
    let mut table = new_table(color);
    table.set_header(["group", "instructions", "good", "what became of the others"]);
    for group in report.groups() {
        let cases: Vec<&CaseReport> = report
            .cases
            .iter()
            .filter(|case| case.group == group && ran(case))
            .collect();
        if cases.is_empty() {
            continue;
        }
        let good = cases.iter().filter(|case| case.good).count();
        let mut parts = Vec::new();
        for verdict in Verdict::ALL
            .into_iter()
            .filter(|verdict| !verdict.is_good())
        {
            let count = cases
                .iter()
                .filter(|case| case.verdicts.contains(&verdict))
                .count();
            if count > 0 {
                parts.push(format!("{count} {}", verdict.name()));
            }
        }
        let shade = if good == cases.len() {
            Color::Green
        } else {
            Color::Red
        };
        table.add_row([
            Cell::new(group),
            Cell::new(cases.len()),
            Cell::new(good).fg(shade),
            Cell::new(parts.join(", ")),
        ]);
    }
    let _ = writeln!(text, "{table}");
}

fn ran(case: &CaseReport) -> bool {
    !case.verdicts.contains(&Verdict::NotRun)
}

fn unaccounted(text: &mut String, report: &Report) {
    let mut kinds: Vec<(String, usize)> = Vec::new();
    for piece in &report.unaccounted {
        let kind = format!(
            "{} of {} at {:#x}",
            piece.access.name(),
            piece.bytes.len(),
            piece.offset
        );
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((kind, 1)),
        }
    }
    if kinds.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "{} accesses that no instruction accounts for, such as QEMU's own when it starts:",
        report.unaccounted.len()
    );
    let lines: Vec<String> = kinds
        .into_iter()
        .map(|(kind, count)| {
            if count > 1 {
                format!("{kind} ({count} times)")
            } else {
                kind
            }
        })
        .collect();
    let _ = writeln!(text, "{}", lines.join(", "));
}

/// How QEMU stopped, once for all cases at which it stopped alike.
fn stops(text: &mut String, report: &Report) {
    let mut alike: Vec<(&str, Vec<&str>)> = Vec::new();
    let stopped = [Verdict::Crashed, Verdict::Hung];
    for case in &report.cases {
        if case
            .verdicts
            .iter()
            .any(|verdict| stopped.contains(verdict))
        {
            match alike.iter_mut().find(|(how, _)| *how == case.detail) {
                Some((_, cases)) => cases.push(&case.id),
                None => alike.push((&case.detail, vec![&case.id])),
            }
        }
    }
    for (how, cases) in alike {
        let _ = writeln!(text, "{}: {how}", cases.join(", "));
    }
}

/// Verdicts, expectation, guest, instruction.
type Kind<'a> = (String, String, String, &'a str);

/// What makes failures alike: the verdicts, what was expected and what the guest got.
fn kind(case: &CaseReport) -> Kind<'_> {
    let names: Vec<&str> = case.verdicts.iter().map(|verdict| verdict.name()).collect();
    // A number of bytes would make every length a kind of its own.
    let expected: String = case
        .expected
        .split(' ')
        .filter(|word| word.parse::<u64>().is_err())
        .collect::<Vec<_>>()
        .join(" ");
    let expected = expected.replace(" of bytes", "").replace(" of byte", "");
    let guest = case.guest.split(',').next().unwrap_or_default().to_owned();
    (names.join(" + "), expected, guest, case.instruction.name())
}

fn failures(text: &mut String, report: &Report, color: bool) {
    let mut kinds: Vec<(Kind<'_>, Vec<&CaseReport>)> = Vec::new();
    for case in report.cases.iter().filter(|case| !case.good) {
        let kind = kind(case);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, cases)) => cases.push(case),
            None => kinds.push((kind, vec![case])),
        }
    }
    if kinds.is_empty() {
        return;
    }
    kinds.sort_by_key(|(_, cases)| std::cmp::Reverse(cases.len()));
    let mut table = new_table(color);
    table.set_header([
        "instruction",
        "verdict",
        "cases",
        "expected",
        "the guest got",
        "such as",
    ]);
    for ((verdicts, expected, guest, instruction), cases) in kinds {
        let worst = cases
            .first()
            .and_then(|case| case.verdicts.first())
            .copied()
            .unwrap_or(Verdict::Altered);
        table.add_row([
            Cell::new(instruction.to_uppercase()),
            Cell::new(verdicts).fg(paint(worst)),
            Cell::new(cases.len()),
            Cell::new(expected),
            Cell::new(guest),
            Cell::new(examples(&cases)),
        ]);
    }
    let _ = writeln!(text, "{table}");
}

fn examples(cases: &[&CaseReport]) -> String {
    let mut lines: Vec<String> = cases
        .iter()
        .take(NAMED)
        .map(|case| {
            if case.label.contains("split") {
                format!("{} ({})", case.id, case.label)
            } else {
                case.id.clone()
            }
        })
        .collect();
    if cases.len() > NAMED {
        lines.push(format!("and {} more", cases.len() - NAMED));
    }
    lines.join("\n")
}
