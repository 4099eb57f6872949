//! The result of one case: text, picture, bytes.

use super::bytes::differing_bytes;
use super::markup::escape;
use super::picture::picture;
use crate::report::model::CaseReport;
use crate::report::words;
use std::fmt::Write;

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
