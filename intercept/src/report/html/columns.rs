//! The page of several reports: one column for each, with the differences first.

use super::markup::{about, case_shade, causes, escape, filter, legend, totals};
use super::outcome::outcome;
use crate::report::model::Report;
use crate::report::side_by_side::{Row, groups, names, rows};
use crate::report::words;
use crate::verdict::Verdict;
use std::fmt::Write;

/// The body of the page.
pub(super) fn columns(reports: &[Report]) -> String {
    let mut page = String::from("<h1>zPCI interception, side by side</h1>\n");
    let names = names(reports);
    page.push_str("<div class=\"columns\">");
    for (report, name) in reports.iter().zip(&names) {
        let _ = write!(page, "<div><h2>{}</h2>", escape(name));
        about(&mut page, report);
        totals(&mut page, report);
        causes(&mut page, report);
        page.push_str("</div>");
    }
    page.push_str("</div>\n");
    let rows = rows(reports);
    let (differing, same): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.differs());
    matrix(&mut page, "What differs", &differing, &names);
    tallies(&mut page, reports, &names);
    matrix(&mut page, "What is the same", &same, &names);
    legend(&mut page);
    filter(&mut page, "only what differs");
    for (title, rows, class) in [
        ("What differs", &differing, " class=\"failure\""),
        ("What is the same", &same, ""),
    ] {
        if rows.is_empty() {
            continue;
        }
        let _ = writeln!(page, "<section><h2>{title}</h2>");
        for row in rows {
            article(&mut page, row, &names, class);
        }
        page.push_str("</section>\n");
    }
    page
}

fn header(page: &mut String, first: &str, names: &[String]) {
    let _ = write!(page, "<thead><tr><th>{first}</th>");
    for name in names {
        let _ = write!(page, "<th>{}</th>", escape(name));
    }
    page.push_str("</tr></thead><tbody>\n");
}

fn tallies(page: &mut String, reports: &[Report], names: &[String]) {
    page.push_str("<h2>Groups</h2>\n<div class=\"wide\"><table class=\"list\">");
    header(
        page,
        "Group: instructions that are as they should be",
        names,
    );
    for group in groups(reports) {
        let _ = write!(page, "<tr><th>{}</th>", escape(group));
        for report in reports {
            let (all, good) = report.tally(group);
            let shade = if all == good { "good" } else { "bad" };
            let _ = write!(page, "<td><b class=\"{shade}\">{good}</b> of {all}</td>");
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div>\n");
}

fn matrix(page: &mut String, title: &str, rows: &[&Row<'_>], names: &[String]) {
    let open = if title == "What differs" { " open" } else { "" };
    let _ = write!(
        page,
        "<details{open}><summary>{title}: {} instructions</summary><div class=\"wide\"><table class=\"list\">",
        rows.len()
    );
    header(page, "Instruction", names);
    for row in rows {
        let id = escape(row.id);
        let _ = write!(page, "<tr><th><a href=\"#case-{id}\">{id}</a></th>");
        for column in &row.columns {
            let _ = match column {
                Some(case) => write!(
                    page,
                    "<td><span class=\"tag {}\">{}</span> {}</td>",
                    case_shade(case),
                    escape(&case.label),
                    escape(&words::answer(case))
                ),
                None => write!(page, "<td>no such case</td>"),
            };
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div></details>\n");
}

fn article(page: &mut String, row: &Row<'_>, names: &[String], class: &str) {
    let Some(any) = row.any() else { return };
    let mut verdicts: Vec<String> = row
        .columns
        .iter()
        .flatten()
        .map(|case| Verdict::names(&case.verdicts, " "))
        .collect();
    verdicts.dedup();
    let _ = write!(
        page,
        "<article id=\"case-{id}\" data-verdicts=\"{}\"{class}><h3>{id}</h3><p><code>{}</code> in group {}</p><div class=\"columns\">",
        verdicts.join(" "),
        escape(&words::operation(&any.case)),
        escape(&any.group),
        id = escape(row.id),
    );
    for (column, name) in row.columns.iter().zip(names) {
        let _ = write!(page, "<div><h4>{}", escape(name));
        match column {
            Some(case) => {
                let _ = write!(
                    page,
                    " <span class=\"tag {}\">{}</span></h4>",
                    case_shade(case),
                    escape(&case.label)
                );
                outcome(page, case);
            }
            None => page.push_str("</h4><p>No such case.</p>"),
        }
        page.push_str("</div>");
    }
    page.push_str("</div></article>\n");
}
