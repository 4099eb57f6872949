//! Common parts of the page of one report and the page of several, and the escaping of text.

use crate::report::model::{CaseReport, Report};
use crate::report::words;
use crate::verdict::Verdict;
use std::fmt::Write;

/// Escapes text for HTML and attributes.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
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

/// The number of cases with each verdict.
pub(super) fn totals(page: &mut String, report: &Report) {
    let _ = writeln!(
        page,
        "<p class=\"total\"><b>{}</b> instructions, <b class=\"good\">{}</b> as they should be, \
         <b class=\"bad\">{}</b> not. One can have several verdicts.</p><ul class=\"totals\">",
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

/// Known causes that fit the failures.
pub(super) fn causes(page: &mut String, report: &Report) {
    list(page, "What the failures look like", &words::causes(report));
}

pub(super) fn list(page: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = write!(page, "<h2>{title}</h2><ul class=\"lines\">");
    for line in lines {
        let _ = write!(page, "<li>{}</li>", escape(line));
    }
    page.push_str("</ul>\n");
}

/// Links to all cases. Most of them are folded.
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

/// The row with the filters.
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
