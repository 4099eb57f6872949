//! The report as one page that needs nothing else.

use super::alike::alike;
use super::bytes::differing_bytes;
use super::columns::columns;
use super::model::{CaseReport, Report};
use super::picture::picture;
use super::words;
use crate::baseline::Comparison;
use crate::verdict::Verdict;
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Text as it may stand in HTML and in attributes.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The page of one report, or of several side by side.
#[must_use]
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
    stops(&mut page, report);
    causes(&mut page, report);
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

/// The tested QEMU and the tools of the test.
pub(super) fn about(page: &mut String, report: &Report) {
    page.push_str("<dl class=\"about\">");
    for (name, value) in words::about(report) {
        let _ = write!(
            page,
            "<dt>{}</dt><dd>{}</dd>",
            name.replace('-', " "),
            escape(&value)
        );
    }
    page.push_str("</dl>\n");
}

/// How many cases have which verdict.
pub(super) fn totals(page: &mut String, report: &Report) {
    let _ = writeln!(
        page,
        "<p class=\"total\"><b>{}</b> instructions, <b class=\"good\">{}</b> as they should be, \
         <b class=\"bad\">{}</b> not.</p><ul class=\"totals\">",
        report.ran,
        report.good,
        report.ran - report.good
    );
    for verdict in Verdict::ALL {
        if let Some(count) = report.totals.get(verdict.name()) {
            let _ = writeln!(
                page,
                "<li class=\"{}\"><b>{count}</b> {}</li>",
                shade(verdict),
                verdict.name()
            );
        }
    }
    page.push_str("</ul>\n");
}

fn stops(page: &mut String, report: &Report) {
    let mut lines = Vec::new();
    if let Some((step, stop)) = report.stopped_set_up() {
        lines.push(format!("{step}, a step of the set-up: {stop}"));
    }
    for case in &report.cases {
        if let Some(stop) = &case.stopped {
            lines.push(format!("{}: {stop}", case.id));
        }
    }
    list(page, "Where QEMU stopped", &lines);
}

/// Known causes that fit the failures.
pub(super) fn causes(page: &mut String, report: &Report) {
    list(page, "What the failures look like", &super::causes(report));
}

fn list(page: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = write!(page, "<h2>{title}</h2><ul class=\"lines\">");
    for line in lines {
        let _ = write!(page, "<li>{}</li>", escape(line));
    }
    page.push_str("</ul>\n");
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
    for kind in kinds {
        let worst = kind.verdicts.first().copied().unwrap_or(Verdict::Altered);
        let _ = write!(
            page,
            "<tr><td>{}</td><td><span class=\"tag {}\">{}</span></td><td>{}</td><td>{}</td><td>{}</td><td>",
            kind.instruction.name().to_uppercase(),
            shade(worst),
            kind.verdict(),
            kind.cases.len(),
            escape(&kind.expected),
            escape(&kind.answer),
        );
        links(page, kind.cases.iter().map(|case| case.id.as_str()));
        page.push_str("</td></tr>\n");
    }
    page.push_str("</tbody></table></div>\n");
}

/// Links to cases: all of them, most of them folded away.
pub(super) fn links<'a>(page: &mut String, ids: impl ExactSizeIterator<Item = &'a str>) {
    let count = ids.len();
    for (number, id) in ids.enumerate() {
        if number == 3 {
            let _ = write!(page, "<details><summary>and {} more</summary>", count - 3);
        }
        let id = escape(id);
        let _ = write!(page, "<a href=\"#case-{id}\">{id}</a> ");
    }
    if count > 3 {
        page.push_str("</details>");
    }
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
    for (kind, words, changes) in comparison.alike() {
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

/// The colour of a verdict.
pub(super) fn shade(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::NotRun => "none",
        good if good.is_good() => "good",
        Verdict::Split | Verdict::Reversed | Verdict::Reordered | Verdict::Merged => "changed",
        _ => "bad",
    }
}

/// The worst shade of a case.
pub(super) fn case_shade(case: &CaseReport) -> &'static str {
    case.verdicts.first().copied().map_or("none", |worst| {
        if case.verdicts.iter().any(|verdict| shade(*verdict) == "bad") {
            "bad"
        } else {
            shade(worst)
        }
    })
}

fn matrix(page: &mut String, report: &Report) {
    page.push_str(
        "<h2>All instructions</h2>\n<table class=\"matrix\"><thead><tr><th>Group</th><th>Good</th>\
         <th>A cell for each instruction, with its length in bytes</th></tr></thead><tbody>\n",
    );
    for group in report.groups() {
        let ran = || report.of_group(group).filter(|case| case.ran());
        let _ = write!(
            page,
            "<tr><th id=\"{0}\">{0}</th><td class=\"count\">{1} of {2}</td><td>",
            escape(group),
            ran().filter(|case| case.good).count(),
            ran().count(),
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

/// The legend of the colours.
pub(super) fn legend(page: &mut String) {
    page.push_str("<p class=\"legend\">");
    for (shade, text) in [
        ("good", "as it should be"),
        ("changed", "delivered, but not as executed"),
        ("bad", "refused, accepted, altered, lost, crashed or hung"),
        ("none", "not run"),
    ] {
        let _ = write!(page, "<span class=\"cell {shade}\"></span> {text} ");
    }
    page.push_str("</p>\n");
}

/// The row that chooses what is shown.
pub(super) fn filter(page: &mut String, failures: &str) {
    let _ = write!(
        page,
        "<p class=\"filter\"><label><input type=\"checkbox\" id=\"failures\"> {failures}</label> \
         <label>name contains <input type=\"search\" id=\"search\"></label> \
         <label>verdict <select id=\"verdict\"><option value=\"\">any</option>"
    );
    for verdict in Verdict::ALL {
        let _ = write!(page, "<option>{}</option>", verdict.name());
    }
    page.push_str("</select></label> <span id=\"shown\"></span></p>\n");
}

/// The text of a cell: the length, where there is one.
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
        verdict_names(case),
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

/// The verdicts of a case, for the filter.
pub(super) fn verdict_names(case: &CaseReport) -> String {
    let names: Vec<&str> = case.verdicts.iter().map(|verdict| verdict.name()).collect();
    names.join(" ")
}

/// The result of a case: words, picture, bytes.
pub(super) fn outcome(page: &mut String, case: &CaseReport) {
    let _ = write!(
        page,
        "<p>Expected: {}. The guest got: {}.</p>",
        escape(&case.expectation.describe()),
        escape(&words::guest(case)),
    );
    let detail = words::detail(case);
    if !detail.is_empty() {
        let _ = write!(page, "<p class=\"detail\">{}</p>", escape(&detail));
    }
    if let Some(svg) = picture(case) {
        let _ = write!(page, "<figure>{svg}</figure>");
    }
    if let Some(bytes) = differing_bytes(case) {
        page.push_str(&bytes);
    }
}
