//! A picture of one instruction: the guest's bytes above, the device's accesses below, in time order.

use super::markup::escape;
use crate::plan::hex;
use crate::recording::Piece;
use crate::report::model::CaseReport;
use std::fmt::Write;

/// Width of the drawing, without the labels.
const WIDTH: f64 = 640.0;
/// Height of a row.
const ROW: f64 = 18.0;
/// Room left of the bars for labels.
const LABELS: f64 = 130.0;
/// Most rows of accesses to draw. The rest is only counted.
const DRAWN: usize = 24;
/// Most bytes to write out in a bar.
const WRITTEN: usize = 16;

/// The picture as SVG. None for an instruction that moves no bytes.
pub(super) fn picture(case: &CaseReport) -> Option<String> {
    let stored = &case.stored;
    let asked = if stored.is_empty() {
        case.length
    } else {
        stored.len() as u64
    };
    let start = case
        .pieces
        .iter()
        .map(|piece| piece.offset)
        .chain([case.offset])
        .min()?;
    let ends = case
        .pieces
        .iter()
        .map(Piece::end)
        .chain([case.offset.saturating_add(asked)]);
    let end = ends.max()?;
    let span = end
        .checked_sub(start)
        .filter(|span| *span > 0 && *span <= 1 << 16)?;
    let scale = WIDTH / span as f64;
    let rows = case.pieces.len().min(DRAWN);
    let more = case.pieces.len() > DRAWN;
    let height = ROW * (rows as f64 + 2.5 + f64::from(u8::from(more)));
    let total = LABELS + WIDTH + 4.0;
    let mut svg = format!(
        "<svg role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {total} {height}\" width=\"{total}\" height=\"{height}\">",
        escape(&case.id)
    );
    let place = |offset: u64| LABELS + (offset.saturating_sub(start)) as f64 * scale;
    row(
        &mut svg,
        0.0,
        "guest",
        "guest",
        place(case.offset),
        asked as f64 * scale,
        stored,
    );
    let _ = write!(
        svg,
        "<line class=\"edge\" x1=\"{LABELS}\" x2=\"{total}\" y1=\"{y}\" y2=\"{y}\"/>",
        y = ROW * 1.25
    );
    for (number, piece) in case.pieces.iter().take(DRAWN).enumerate() {
        let y = ROW * (number as f64 + 1.5);
        let label = format!(
            "{} {} +{:#x}",
            number + 1,
            piece.path,
            piece.offset.saturating_sub(case.offset.min(piece.offset))
        );
        let width = piece.bytes.len() as f64 * scale;
        row(
            &mut svg,
            y,
            &label,
            class(case, stored, piece),
            place(piece.offset),
            width,
            &piece.bytes,
        );
    }
    if case.pieces.is_empty() {
        let _ = write!(
            svg,
            "<text x=\"0\" y=\"{}\">the device saw nothing</text>",
            ROW * 2.3
        );
    }
    if more {
        let y = ROW * (rows as f64 + 2.3);
        let _ = write!(
            svg,
            "<text x=\"0\" y=\"{y}\">and {} more</text>",
            case.pieces.len() - DRAWN
        );
    }
    svg.push_str("</svg>");
    Some(svg)
}

/// The class of an access by its bytes: `same` as the guest stored, `turned`, `other`, or `load`.
fn class(case: &CaseReport, stored: &[u8], piece: &Piece) -> &'static str {
    if stored.is_empty() {
        return "load";
    }
    let from = piece
        .offset
        .checked_sub(case.offset)
        .and_then(|from| usize::try_from(from).ok());
    let wanted = from.and_then(|from| stored.get(from..from + piece.bytes.len()));
    match wanted {
        Some(wanted) if wanted == piece.bytes => "same",
        Some(wanted) if wanted.iter().rev().eq(&piece.bytes) => "turned",
        _ => "other",
    }
}

fn row(svg: &mut String, y: f64, label: &str, class: &str, x: f64, width: f64, bytes: &[u8]) {
    let width = width.max(1.0);
    let _ = write!(
        svg,
        "<text x=\"0\" y=\"{baseline}\">{}</text><rect class=\"{class}\" x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"{h}\"/>",
        escape(label),
        baseline = y + ROW * 0.75,
        h = ROW - 3.0,
    );
    let written = if bytes.len() <= WRITTEN {
        hex::encode(bytes)
    } else {
        format!(
            "{}..",
            hex::encode(bytes.get(..WRITTEN).unwrap_or_default())
        )
    };
    if written.is_empty() {
        return;
    }
    // A digit is about 6.1 wide at this size. The text goes inside if it fits, else after the bar, else
    // before it.
    let wide = written.len() as f64 * 6.1 + 6.0;
    let (class, at, anchor) = if wide < width {
        ("bytes", x + 3.0, "start")
    } else if x + width + wide < LABELS + WIDTH {
        ("beside", x + width + 3.0, "start")
    } else if x - wide > LABELS {
        ("beside", x - 3.0, "end")
    } else {
        return;
    };
    let _ = write!(
        svg,
        "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{at:.1}\" y=\"{}\">{written}</text>",
        y + ROW * 0.68
    );
}
