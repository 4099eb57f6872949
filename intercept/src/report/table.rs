//! The report for a terminal: totals, the matrix of groups, then groups of similar failures.

use super::alike::alike;
use super::model::{CaseReport, Report};
use super::words;
use crate::together::together;
use crate::verdict::Verdict;
use comfy_table::{Attribute, Cell, Color, Table, presets};
use std::fmt::Write;

/// Most failures of one kind to name. The rest is only counted.
const NAMED: usize = 6;

/// The report as text. With `color`, it has escape sequences.
pub fn table(report: &Report, color: bool) -> String {
    let mut text = String::new();
    heading(&mut text, report);
    known_causes(&mut text, report);
    totals(&mut text, report, color);
    groups(&mut text, report, color);
    failures(&mut text, report, color);
    for line in words::stops(report) {
        let _ = writeln!(text, "{line}");
    }
    not_run(&mut text, report);
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
    if let Some(binary) = &environment.binary {
        let build_id = binary
            .build_id
            .as_ref()
            .map(|build_id| format!(", build id {build_id}"))
            .unwrap_or_default();
        let _ = writeln!(text, "{}, sha256 {}{build_id}", binary.path, binary.sha256);
    }
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
            "stopped at {step}, a step of the set-up, so nothing after it ran: {stop}"
        );
    }
    let failed = report.refused_set_up();
    if !failed.is_empty() {
        let _ = writeln!(text, "refused during set-up: {}", failed.join(", "));
    }
    if report.ended_early() {
        let _ = writeln!(text, "QEMU stopped too often: the last cases did not run");
    }
}

fn known_causes(text: &mut String, report: &Report) {
    let causes = words::causes(report);
    if causes.is_empty() {
        return;
    }
    let _ = writeln!(text, "what the failures look like:");
    for cause in causes {
        let _ = writeln!(text, "- {cause}");
    }
}

pub(super) fn paint(verdict: Verdict) -> Color {
    match verdict {
        Verdict::Whole | Verdict::AsSpecified => Color::Green,
        Verdict::NotRun => Color::DarkGrey,
        Verdict::Split | Verdict::Reversed | Verdict::Reordered | Verdict::Merged => Color::Yellow,
        Verdict::Crashed
        | Verdict::Hung
        | Verdict::Altered
        | Verdict::Lost
        | Verdict::WrongFunction
        | Verdict::RefusedWrongly
        | Verdict::DeliveredButRefused
        | Verdict::AcceptedWrongly
        | Verdict::ToldWrongly
        | Verdict::WrongRegister => Color::Red,
    }
}

pub(super) fn new_table(color: bool) -> Table {
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
        "{} instructions: {} as they should be, {not_good} not. One instruction can have several verdicts:",
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
            .filter(|case| case.group == group && case.ran())
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

fn unaccounted(text: &mut String, report: &Report) {
    let kinds = together(report.unaccounted.iter().map(|piece| {
        let (name, length) = (piece.access.name(), piece.bytes.len());
        (format!("{name} of {length} at {:#x}", piece.offset), ())
    }));
    if kinds.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "{} accesses that no instruction accounts for, such as QEMU's own when it starts:",
        report.unaccounted.len()
    );
    let lines = kinds.into_iter().map(|(kind, times)| match times.len() {
        1 => kind,
        count => format!("{kind} ({count} times)"),
    });
    let _ = writeln!(text, "{}", lines.collect::<Vec<_>>().join(", "));
}

/// The reasons why cases did not run, each once.
fn not_run(text: &mut String, report: &Report) {
    let cases = report.cases.iter().filter(|case| !case.ran());
    let reasons = cases.map(|case| (super::ci::not_run(report, case), &case.id));
    for (reason, cases) in together(reasons) {
        let (count, first) = (cases.len(), cases[0]);
        let _ = writeln!(text, "{count} not run, such as {first}: {reason}");
    }
}

fn failures(text: &mut String, report: &Report, color: bool) {
    let kinds = alike(report);
    if kinds.is_empty() {
        return;
    }
    let mut table = new_table(color);
    table.set_header([
        "instruction",
        "verdict",
        "cases",
        "expected",
        "the guest got",
        "such as",
    ]);
    for (kind, cases) in kinds {
        let worst = kind.verdicts.first().copied().unwrap_or(Verdict::Altered);
        table.add_row([
            Cell::new(kind.instruction.name().to_uppercase()),
            Cell::new(Verdict::names(&kind.verdicts, " + ")).fg(paint(worst)),
            Cell::new(cases.len()),
            Cell::new(&kind.expected),
            Cell::new(&kind.answer),
            Cell::new(examples(&cases)),
        ]);
    }
    let _ = writeln!(text, "{table}");
}

fn examples(cases: &[&CaseReport]) -> String {
    let mut lines: Vec<String> = cases.iter().take(NAMED).map(|case| example(case)).collect();
    if cases.len() > NAMED {
        lines.push(format!("and {} more", cases.len() - NAMED));
    }
    lines.join("\n")
}

fn example(case: &CaseReport) -> String {
    let mut line = case.id.clone();
    if case.verdicts.contains(&Verdict::Split) {
        line.push_str(&format!(" ({})", case.label));
    }
    // Expectation and answer have no loaded values.
    if case.verdicts.contains(&Verdict::ToldWrongly) {
        line.push_str(&format!(": {}", words::detail(case)));
    }
    // A reversal is wrong from the first byte, as its name says.
    if let Some(difference) = case.difference
        && !case.verdicts.contains(&Verdict::Reversed)
    {
        line.push_str(&format!(": {difference}"));
    }
    line
}
