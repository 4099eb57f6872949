//! Several QEMUs in one table: one column for each, with the differences first.

use super::model::{CaseReport, Report};
use super::table::{new_table, paint};
use super::words;
use crate::together::together;
use crate::verdict::Verdict;
use comfy_table::{Cell, Color};
use std::fmt::Write;

/// Most kinds of differing cases to show.
const SHOWN: usize = 40;

/// The result of one case under each QEMU. `None` where the case does not exist.
pub(super) struct Row<'a> {
    pub id: &'a str,
    /// One entry for each column.
    pub columns: Vec<Option<&'a CaseReport>>,
}

impl Row<'_> {
    /// Whether the QEMUs differ in verdict or answer.
    pub(super) fn differs(&self) -> bool {
        let fate = |column: &Option<&CaseReport>| {
            column.map(|case| (case.label.clone(), words::answer(case)))
        };
        let mut fates = self.columns.iter().map(fate);
        let first = fates.next();
        first.is_some_and(|first| fates.any(|other| other != first))
    }

    /// The case in some column, for facts that all columns share.
    pub(super) fn any(&self) -> Option<&CaseReport> {
        self.columns.iter().flatten().next().copied()
    }
}

/// The rows of several reports, in the order of the first report that has the case.
pub(super) fn rows(reports: &[Report]) -> Vec<Row<'_>> {
    let mut ids: Vec<&str> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for case in reports.iter().flat_map(|report| &report.cases) {
        if seen.insert(case.id.as_str()) {
            ids.push(&case.id);
        }
    }
    let maps: Vec<std::collections::HashMap<&str, &CaseReport>> = reports
        .iter()
        .map(|report| {
            report
                .cases
                .iter()
                .map(|case| (case.id.as_str(), case))
                .collect()
        })
        .collect();
    ids.into_iter()
        .map(|id| Row {
            id,
            columns: maps.iter().map(|map| map.get(id).copied()).collect(),
        })
        .collect()
}

/// A short name for each report: the version, or the whole version line if two share it.
pub(super) fn names(reports: &[Report]) -> Vec<String> {
    let short = |report: &Report| {
        let executor = &report.environment.executor;
        executor
            .strip_prefix("QEMU emulator version ")
            .unwrap_or(executor)
            .to_owned()
    };
    let names: Vec<String> = reports.iter().map(short).collect();
    let twice = |name: &String| names.iter().filter(|other| *other == name).count() > 1;
    reports
        .iter()
        .zip(&names)
        .enumerate()
        .map(|(index, (report, name))| match &report.environment.binary {
            Some(binary) if twice(name) => format!("{name} ({})", binary.path),
            None if twice(name) => format!("{name} ({})", index + 1),
            _ => name.clone(),
        })
        .collect()
}

/// The table for a terminal. With `color`, it has escape sequences.
pub fn side_by_side(reports: &[Report], color: bool) -> String {
    let mut text = String::new();
    let names = names(reports);
    for (report, name) in reports.iter().zip(&names) {
        let _ = writeln!(
            text,
            "{name}: {} instructions, {} as they should be, {} not",
            report.ran,
            report.good,
            report.ran - report.good
        );
        for cause in words::causes(report) {
            let _ = writeln!(text, "- {cause}");
        }
    }
    let header = |first: &str| {
        std::iter::once(first.to_owned())
            .chain(names.iter().cloned())
            .collect::<Vec<_>>()
    };
    let mut table = new_table(color);
    table.set_header(header("group: good of all"));
    for group in groups(reports) {
        let mut cells = vec![Cell::new(group)];
        cells.extend(reports.iter().map(|report| tally(report, group)));
        table.add_row(cells);
    }
    let _ = writeln!(text, "{table}");
    differences(&mut text, reports, &header("what differs"), color);
    text
}

/// All groups, in the order of the first report that has each.
pub(super) fn groups(reports: &[Report]) -> Vec<&str> {
    let mut groups: Vec<&str> = Vec::new();
    for group in reports.iter().flat_map(Report::groups) {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups
}

fn tally(report: &Report, group: &str) -> Cell {
    let (all, good) = report.tally(group);
    let shade = if good == all {
        Color::Green
    } else {
        Color::Red
    };
    Cell::new(format!("{good}/{all}")).fg(shade)
}

/// The result of a case, without the sizes of pieces.
fn fate(column: Option<&CaseReport>) -> String {
    let Some(case) = column else {
        return "no such case".into();
    };
    let names = Verdict::names(&case.verdicts, " + ");
    match case.good {
        true => names,
        false => format!("{names} ({})", words::answer(case)),
    }
}

fn differences(text: &mut String, reports: &[Report], header: &[String], color: bool) {
    let rows = rows(reports);
    let differing = rows.iter().filter(|row| row.differs());
    let mut kinds = together(differing.map(|row| {
        let fates: Vec<String> = row.columns.iter().map(|column| fate(*column)).collect();
        (fates, row)
    }));
    if kinds.is_empty() {
        let _ = writeln!(text, "no case differs between them");
        return;
    }
    kinds.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.len()));
    let mut table = new_table(color);
    table.set_header(header);
    for (fates, rows) in kinds.iter().take(SHOWN) {
        let named = words::name_some(rows.iter().map(|row| row.id));
        let mut cells = vec![Cell::new(format!("{}: {named}", rows.len()))];
        let columns = rows
            .first()
            .map(|row| row.columns.clone())
            .unwrap_or_default();
        for (fate, column) in fates.iter().zip(columns) {
            let worst = column.and_then(|case| case.verdicts.first().copied());
            let cell = Cell::new(fate);
            cells.push(match worst {
                Some(verdict) => cell.fg(paint(verdict)),
                None => cell,
            });
        }
        table.add_row(cells);
    }
    let _ = writeln!(text, "{table}");
    if kinds.len() > SHOWN {
        let _ = writeln!(
            text,
            "and {} more kinds of differences",
            kinds.len() - SHOWN
        );
    }
}
