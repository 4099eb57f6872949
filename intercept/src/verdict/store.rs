//! Judges a store: checks that its bytes arrived.

use super::detail::Detail;
use super::findings::Findings;
use super::kind::Verdict;
use crate::expect::Seen;
use crate::recording::Piece;

/// Units in which bytes may arrive reversed, in bytes.
const UNITS: [usize; 3] = [8, 4, 2];

pub(super) fn judge(findings: &mut Findings, seen: &Seen, pieces: &[&Piece], merged: bool) {
    if !pieces.iter().all(|piece| seen.is_like(piece)) {
        findings.add(Verdict::Altered, Detail::OtherAccess);
    }
    let inside = pieces
        .iter()
        .all(|piece| seen.offset <= piece.offset && piece.end() <= seen.end());
    if !inside && !merged {
        findings.add(Verdict::Altered, Detail::OtherOffsets);
    }
    cover(findings, seen, pieces);
    if pieces.len() > 1 {
        findings.add_split(seen, pieces);
        if pieces
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a.offset > b.offset))
        {
            findings.add(Verdict::Reordered, Detail::NotAscending);
        }
    }
    compare(findings, seen, pieces);
}

/// Finds bytes that are in no access, and bytes that are in several.
fn cover(findings: &mut Findings, seen: &Seen, pieces: &[&Piece]) {
    let mut counts = vec![0_u32; seen.bytes.len()];
    for piece in pieces {
        for offset in piece.offset..piece.end() {
            let slot = offset
                .checked_sub(seen.offset)
                .and_then(|at| usize::try_from(at).ok());
            if let Some(count) = slot.and_then(|at| counts.get_mut(at)) {
                *count += 1;
            }
        }
    }
    let missing = counts.iter().filter(|&&count| count == 0).count();
    if missing > 0 {
        findings.add(
            Verdict::Lost,
            Detail::Missing {
                missing,
                of: seen.length,
            },
        );
    }
    let doubled = counts.iter().filter(|&&count| count > 1).count();
    if doubled > 0 {
        findings.add(
            Verdict::Altered,
            Detail::Doubled {
                doubled,
                of: seen.length,
            },
        );
    }
}

fn compare(findings: &mut Findings, seen: &Seen, pieces: &[&Piece]) {
    let mut reversed = None;
    for piece in pieces {
        let Some((wanted, had)) = common(seen, piece) else {
            continue;
        };
        if wanted == had {
            continue;
        }
        match reversal(wanted, had) {
            Some(unit) => reversed = Some(unit),
            None => {
                let wrong = wanted.iter().zip(had).filter(|(a, b)| a != b).count();
                findings.add(
                    Verdict::Altered,
                    Detail::Differ {
                        wrong,
                        of: had.len(),
                        offset: piece.offset,
                    },
                );
            }
        }
    }
    if let Some(unit) = reversed {
        findings.add(Verdict::Reversed, Detail::Reversed { unit });
    }
}

/// The bytes that the store and the access have in common: as stored, and as they arrived.
fn common<'a>(seen: &'a Seen, piece: &'a Piece) -> Option<(&'a [u8], &'a [u8])> {
    let start = seen.offset.max(piece.offset);
    let end = seen.end().min(piece.end());
    let cut = |bytes: &'a [u8], base: u64| {
        let from = usize::try_from(start.checked_sub(base)?).ok()?;
        let to = usize::try_from(end.checked_sub(base)?).ok()?;
        bytes.get(from..to)
    };
    cut(&seen.bytes, seen.offset)
        .zip(cut(&piece.bytes, piece.offset))
        .filter(|(wanted, _)| !wanted.is_empty())
}

/// The unit in which `had` is `wanted` reversed. None if it is not reversed.
fn reversal(wanted: &[u8], had: &[u8]) -> Option<usize> {
    std::iter::once(wanted.len()).chain(UNITS).find(|&unit| {
        unit > 1
            && wanted.len().is_multiple_of(unit)
            && wanted
                .chunks(unit)
                .zip(had.chunks(unit))
                .all(|(wanted, had)| wanted.iter().rev().eq(had))
    })
}
