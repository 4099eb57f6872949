//! Judges a load: checks that the guest got the device's value.

use super::detail::{Detail, Teller};
use super::findings::Findings;
use super::kind::Verdict;
use crate::expect::Seen;
use crate::probe::Outcome;
use crate::recording::Piece;

/// Config bytes that QEMU passes through unchanged: vendor, device, revision and class. QEMU emulates the
/// others.
const PASSED_THROUGH: [std::ops::Range<u64>; 2] = [0x00..0x04, 0x08..0x0c];

pub(super) fn judge(findings: &mut Findings, seen: &Seen, outcome: &Outcome, pieces: &[&Piece]) {
    if !pieces.iter().all(|piece| seen.is_like(piece)) {
        findings.add(Verdict::Altered, Detail::OtherAccess);
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
        findings.add_split(seen, pieces);
    }
    let Some(answer) = answer(findings, seen, pieces) else {
        return;
    };
    if !outcome.succeeded() {
        return;
    }
    compare(findings, outcome, &answer, Teller::Device);
}

/// Compares the guest's loaded value with the right bytes.
pub(super) fn compare(findings: &mut Findings, outcome: &Outcome, answer: &[u8], teller: Teller) {
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
        Detail::Loaded {
            got: outcome.loaded,
            teller,
            value,
        },
    );
}

/// The bytes of the device's answers, in the order of their offsets.
fn answer(findings: &mut Findings, seen: &Seen, pieces: &[&Piece]) -> Option<Vec<u8>> {
    let mut sorted: Vec<&&Piece> = pieces.iter().collect();
    sorted.sort_by_key(|piece| piece.offset);
    let mut next = seen.offset;
    let mut bytes = Vec::new();
    for piece in sorted {
        if piece.offset != next {
            let detail = if piece.offset < next {
                Detail::LoadedTwice
            } else {
                Detail::LeftOut
            };
            findings.add(Verdict::Altered, detail);
            return None;
        }
        bytes.extend(&piece.bytes);
        next = piece.end();
    }
    match next.cmp(&seen.end()) {
        std::cmp::Ordering::Less => {
            findings.add(Verdict::Lost, Detail::LoadedInPart);
        }
        std::cmp::Ordering::Greater => {
            findings.add(Verdict::Altered, Detail::LoadedBeyond);
        }
        std::cmp::Ordering::Equal => return Some(bytes),
    }
    None
}
