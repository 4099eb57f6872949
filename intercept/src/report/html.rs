//! The report as one page that needs nothing else.

use super::model::{CaseReport, Report};
use super::picture::picture;
use crate::verdict::Verdict;
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Text as it may stand in HTML and in attributes.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The page.
#[must_use]
pub fn html(report: &Report) -> String {
    let title = format!(
        "zPCI interception: {}",
        escape(&report.environment.executor)
    );
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n"
    );
    heading(&mut page, report);
    matrix(&mut page, report);
    page.push_str(
        "<p class=\"filter\"><label><input type=\"checkbox\" id=\"failures\"> only what is not as it should be</label> \
         <label>name contains <input type=\"search\" id=\"search\"></label></p>\n",
    );
    for group in report.groups() {
        let _ = writeln!(page, "<section><h2 id=\"{0}\">{0}</h2>", escape(group));
        for case in report.cases.iter().filter(|case| case.group == group) {
            article(&mut page, case);
        }
        page.push_str("</section>\n");
    }
    let _ = writeln!(page, "<script>{SCRIPT}</script></body></html>");
    page
}

fn heading(page: &mut String, report: &Report) {
    let environment = &report.environment;
    let seed = report
        .seed
        .map(|seed| format!(", seed {seed}"))
        .unwrap_or_default();
    let _ = writeln!(
        page,
        "<p>Plan {}{seed}, host {}, profile {}, measured against a {} function, made by {}.</p>",
        escape(&report.plan),
        escape(&environment.host),
        escape(&environment.profile),
        report.expect.name(),
        escape(&environment.tool)
    );
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

fn shade(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::NotRun => "none",
        good if good.is_good() => "good",
        Verdict::Split | Verdict::Reversed | Verdict::Reordered | Verdict::Merged => "changed",
        _ => "bad",
    }
}

/// The worst shade of a case.
fn case_shade(case: &CaseReport) -> &'static str {
    case.verdicts.first().copied().map_or("none", |worst| {
        if case.verdicts.iter().any(|verdict| shade(*verdict) == "bad") {
            "bad"
        } else {
            shade(worst)
        }
    })
}

fn matrix(page: &mut String, report: &Report) {
    page.push_str("<h2>Matrix</h2>\n<table class=\"matrix\">");
    for group in report.groups() {
        let _ = write!(
            page,
            "<tr><th><a href=\"#{0}\">{0}</a></th><td>",
            escape(group)
        );
        for case in report.cases.iter().filter(|case| case.group == group) {
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
    page.push_str("</table>\n<p class=\"legend\">");
    for (shade, text) in [
        ("good", "as it should be"),
        ("changed", "delivered, but not as executed"),
        ("bad", "refused, accepted, altered or lost"),
        ("none", "not run"),
    ] {
        let _ = write!(page, "<span class=\"cell {shade}\"></span> {text} ");
    }
    page.push_str("</p>\n");
}

/// What stands in a cell: the length, where there is one.
fn mark(case: &CaseReport) -> String {
    if case.length > 0 && case.length <= 9999 {
        case.length.to_string()
    } else {
        "\u{b7}".into()
    }
}

fn article(page: &mut String, case: &CaseReport) {
    let open = if case.good { "" } else { " class=\"failure\"" };
    let _ = write!(
        page,
        "<article id=\"case-{id}\"{open}><h3>{id} <span class=\"tag {}\">{}</span></h3>\
         <p><code>{}</code></p><p>Expected: {}. The guest got: {}.</p>",
        case_shade(case),
        escape(&case.label),
        escape(&case.operation),
        escape(&case.expected),
        escape(&case.guest),
        id = escape(&case.id),
    );
    if !case.detail.is_empty() {
        let _ = write!(page, "<p class=\"detail\">{}</p>", escape(&case.detail));
    }
    if let Some(svg) = picture(case) {
        let _ = write!(page, "<figure>{svg}</figure>");
    }
    page.push_str("</article>\n");
}
