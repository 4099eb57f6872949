//! The bytes of a store that arrived wrongly, in rows of 16.

use crate::report::difference::arrived;
use crate::report::model::CaseReport;
use std::fmt::Write;

const ROW: usize = 16;

/// All rows with a differing byte, as HTML. Empty if the store arrived correctly, or not at all.
pub(super) fn differing_bytes(case: &CaseReport) -> Option<String> {
    let difference = case.difference?;
    let arrived = arrived(case.offset, &case.stored, &case.pieces);
    let mut html = format!(
        "<details><summary>{difference}</summary><table class=\"bytes\"><tr><th>byte</th><th>stored</th><th>arrived</th></tr>"
    );
    let rows = case.stored.chunks(ROW).zip(arrived.chunks(ROW)).enumerate();
    for (number, (stored, arrived)) in rows {
        let pairs = || stored.iter().zip(arrived);
        if pairs().all(|(stored, arrived)| *arrived == Some(*stored)) {
            continue;
        }
        let _ = write!(html, "<tr><th>{:#05x}</th><td>", number * ROW);
        for (stored, arrived) in pairs() {
            mark(
                &mut html,
                &format!("{stored:02x}"),
                *arrived != Some(*stored),
            );
        }
        html.push_str("</td><td>");
        for (stored, arrived) in pairs() {
            let text = arrived.map_or_else(|| "--".to_owned(), |byte| format!("{byte:02x}"));
            mark(&mut html, &text, *arrived != Some(*stored));
        }
        html.push_str("</td></tr>");
    }
    html.push_str("</table></details>");
    Some(html)
}

fn mark(html: &mut String, text: &str, differs: bool) {
    let _ = match differs {
        true => write!(html, "<b>{text}</b> "),
        false => write!(html, "{text} "),
    };
}
