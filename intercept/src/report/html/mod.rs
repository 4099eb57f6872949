//! The report as one page without other files.

mod bytes;
mod columns;
mod markup;
mod outcome;
mod picture;

use super::alike::alike;
use super::model::{CaseReport, Report};
use super::words;
use crate::baseline::comparison::Comparison;
use crate::verdict::Verdict;
use columns::columns;
use markup::{about, case_shade, causes, escape, filter, legend, links, list, shade, totals};
use outcome::outcome;
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page of one report, or of several reports side by side.
pub fn html(reports: &[Report]) -> String {
    let body = match reports {
        [report] => one(report),
        several => columns(several),
    };
    let executors: Vec<&str> = reports
        .iter()
        .map(|report| report.environment.executor.as_str())
        .collect();
    let title = escape(&format!("zPCI interception: {}", executors.join(", ")));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body>\n{body}<script>{SCRIPT}</script></body></html>\n"
    )
}

fn one(report: &Report) -> String {
    let mut page = format!(
        "<h1>zPCI interception: {}</h1>\n",
        escape(&report.environment.executor)
    );
    about(&mut page, report);
    totals(&mut page, report);
    causes(&mut page, report);
    stops(&mut page, report);
    failures(&mut page, report);
    if let Some(comparison) = &report.comparison {
        changes(&mut page, comparison);
    }
    matrix(&mut page, report);
    filter(&mut page, "only what is not as it should be");
    let (bad, good): (Vec<_>, Vec<_>) = report.cases.iter().partition(|case| !case.good);
    for (title, cases) in [("Not as they should be", bad), ("As they should be", good)] {
        if cases.is_empty() {
            continue;
        }
        let _ = writeln!(page, "<section><h2>{title}</h2>");
        for case in cases {
            article(&mut page, case);
        }
        page.push_str("</section>\n");
    }
    page
}

fn stops(page: &mut String, report: &Report) {
    let mut lines = Vec::new();
    if let Some((step, stop)) = report.stopped_set_up() {
        lines.push(format!("{step}, a step of the set-up: {stop}"));
    }
    lines.extend(words::stops(report));
    list(page, "Where QEMU stopped", &lines);
}

fn failures(page: &mut String, report: &Report) {
    let kinds = alike(report);
    if kinds.is_empty() {
        return;
    }
    page.push_str(
        "<h2>Failures</h2>\n<div class=\"wide\"><table class=\"list\"><thead><tr><th>Instruction</th><th>Verdict</th>\
         <th>Cases</th><th>Expected</th><th>The guest got</th><th>Which</th></tr></thead><tbody>\n",
    );
    for (kind, cases) in kinds {
        let worst = kind.verdicts.first().copied().unwrap_or(Verdict::Altered);
        let _ = write!(
            page,
            "<tr><td>{}</td><td><span class=\"tag {}\">{}</span></td><td>{}</td><td>{}</td><td>{}</td><td>",
            kind.instruction.name().to_uppercase(),
            shade(worst),
            Verdict::names(&kind.verdicts, " + "),
            cases.len(),
            escape(&kind.expected),
            escape(&kind.answer),
        );
        links(page, cases.iter().map(|case| case.id.as_str()));
        page.push_str("</td></tr>\n");
    }
    page.push_str("</tbody></table></div>\n");
}

fn changes(page: &mut String, comparison: &Comparison) {
    page.push_str("<h2>Against the baseline</h2>\n");
    if comparison.is_equal() {
        page.push_str("<p>Nothing changed.</p>\n");
        return;
    }
    let _ = writeln!(
        page,
        "<p>{}.</p><div class=\"wide\"><table class=\"list\"><thead><tr><th>Change</th><th>Cases</th><th>Before and now</th>\
         <th>Which</th></tr></thead><tbody>",
        comparison.counts()
    );
    for ((kind, words), changes) in comparison.alike() {
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>",
            kind.name(),
            changes.len(),
            escape(&words)
        );
        links(page, changes.iter().map(|change| change.id.as_str()));
        page.push_str("</td></tr>\n");
    }
    page.push_str("</tbody></table></div>\n");
}

fn matrix(page: &mut String, report: &Report) {
    page.push_str(
        "<h2>All instructions</h2>\n<table class=\"matrix\"><thead><tr><th>Group</th><th>Good</th>\
         <th>A cell for each instruction, with its length in bytes</th></tr></thead><tbody>\n",
    );
    for group in report.groups() {
        let (all, good) = report.tally(group);
        let _ = write!(
            page,
            "<tr><th id=\"{0}\">{0}</th><td class=\"count\">{good} of {all}</td><td>",
            escape(group),
        );
        for case in report.of_group(group) {
            let _ = write!(
                page,
                "<a class=\"cell {}\" href=\"#case-{}\" title=\"{}: {}\">{}</a>",
                case_shade(case),
                escape(&case.id),
                escape(&case.id),
                escape(&case.label),
                mark(case)
            );
        }
        page.push_str("</td></tr>\n");
    }
    page.push_str("</tbody></table>\n");
    legend(page);
}

/// The text of a cell: the length, if there is one.
fn mark(case: &CaseReport) -> String {
    if case.length > 0 && case.length <= 9999 {
        case.length.to_string()
    } else {
        "\u{b7}".into()
    }
}

fn article(page: &mut String, case: &CaseReport) {
    let class = if case.good { "" } else { " class=\"failure\"" };
    let _ = write!(
        page,
        "<article id=\"case-{id}\" data-verdicts=\"{}\"{class}><h3>{id} <span class=\"tag {}\">{}</span></h3>",
        Verdict::names(&case.verdicts, " "),
        case_shade(case),
        escape(&case.label),
        id = escape(&case.id),
    );
    let _ = write!(
        page,
        "<p><code>{}</code> in group {}</p>",
        escape(&words::operation(&case.case)),
        escape(&case.group)
    );
    outcome(page, case);
    page.push_str("</article>\n");
}
