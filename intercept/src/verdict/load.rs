//! Judges a load: did the guest get the device's value?

use super::{Findings, Verdict};
use crate::expect::Seen;
use crate::probe::Outcome;
use crate::recording::Piece;

/// Config bytes that QEMU passes through unchanged: vendor, device, revision and class. It emulates others.
const PASSED_THROUGH: [std::ops::Range<u64>; 2] = [0x00..0x04, 0x08..0x0c];

pub(super) fn judge(findings: &mut Findings, seen: &Seen, outcome: &Outcome, pieces: &[&Piece]) {
    if pieces.iter().any(|piece| {
        piece.access != seen.access || (piece.space != seen.space && !piece.access.is_config())
    }) {
        findings.add(
            Verdict::Altered,
            "the device saw an access that the guest did not make",
        );
        return;
    }
    if seen.optional {
        let emulated = !PASSED_THROUGH
            .iter()
            .any(|range| range.start <= seen.offset && seen.end() <= range.end);
        if emulated {
            return;
        }
    }
    if pieces.len() > 1 {
        findings.add_split("load", seen.length, pieces);
    }
    let Some(answer) = answer(findings, seen, pieces) else {
        return;
    };
    if !outcome.succeeded() {
        return;
    }
    compare(findings, outcome, &answer, "the device answered");
}

/// Compares what the guest loaded with the bytes that it should have.
pub(super) fn compare(findings: &mut Findings, outcome: &Outcome, answer: &[u8], whose: &str) {
    let fold = |value: u64, byte: &u8| (value << 8) | u64::from(*byte);
    let value = answer.iter().fold(0, fold);
    let swapped = answer.iter().rev().fold(0, fold);
    if outcome.loaded == value {
        return;
    }
    let verdict = if outcome.loaded == swapped {
        Verdict::Reversed
    } else {
        Verdict::Altered
    };
    findings.add(
        verdict,
        format!("the guest got {:#x}, {whose} {value:#x}", outcome.loaded),
    );
}

/// The bytes that the device answered, in the order of their offsets.
fn answer(findings: &mut Findings, seen: &Seen, pieces: &[&Piece]) -> Option<Vec<u8>> {
    let mut sorted: Vec<&&Piece> = pieces.iter().collect();
    sorted.sort_by_key(|piece| piece.offset);
    let mut next = seen.offset;
    let mut bytes = Vec::new();
    for piece in sorted {
        if piece.offset != next {
            let what = if piece.offset < next {
                "loaded bytes twice or outside"
            } else {
                "left out bytes of"
            };
            findings.add(
                Verdict::Altered,
                format!("the accesses {what} what the guest asked for"),
            );
            return None;
        }
        bytes.extend(&piece.bytes);
        next = piece.end();
    }
    match next.cmp(&seen.end()) {
        std::cmp::Ordering::Less => {
            findings.add(Verdict::Lost, "part of the load did not reach the device");
        }
        std::cmp::Ordering::Greater => {
            findings.add(Verdict::Altered, "more was loaded than the guest asked for");
        }
        std::cmp::Ordering::Equal => return Some(bytes),
    }
    None
}
