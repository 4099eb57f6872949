//! Assigns the accesses of a batch to its cases.

use crate::attribute::Batch;
use crate::expect::{Expectation, Seen};
use crate::recording::{Piece, Recording};

/// The share of one case: its accesses, and the indices of those that also carry bytes of other cases.
#[derive(Debug, Default, Clone)]
pub(super) struct Share {
    pub(super) pieces: Vec<usize>,
    pub(super) merged: bool,
}

/// Assigns each access of a batch to the case, or the cases, whose bytes it holds.
pub(super) fn share_out(
    recording: &Recording,
    expectations: &[Expectation],
    batch: &Batch,
    members: &[usize],
) -> Vec<Share> {
    let mut shares = vec![Share::default(); members.len()];
    let wanted: Vec<Option<&Seen>> = members
        .iter()
        .map(|&index| {
            let ran = recording
                .outcomes
                .get(index)
                .is_some_and(|outcome| outcome.executed);
            expectations
                .get(index)
                .filter(|_| ran)
                .and_then(|expectation| expectation.seen.as_ref())
        })
        .collect();
    for &index in &batch.pieces {
        let Some(piece) = recording.pieces.get(index) else {
            continue;
        };
        let same = |seen: &Seen| seen.function == piece.function && seen.is_like(piece);
        let find = |fits: &dyn Fn(&Seen) -> bool| {
            let places = 0..members.len();
            places
                .filter(|&place| wants(&wanted, place, fits))
                .collect::<Vec<_>>()
        };
        let overlaps =
            |seen: &Seen| same(seen) && seen.offset < piece.end() && piece.offset < seen.end();
        let mut owners = find(&overlaps);
        if owners.len() > 1 {
            owners = tell_apart(recording, &shares, &wanted, piece, owners);
        }
        if owners.is_empty() {
            // A store for another function holds the bytes of a case here.
            let has_bytes = |seen: &Seen| !seen.bytes.is_empty() && seen.bytes == piece.bytes;
            let likely = [find(&same), find(&has_bytes)].concat();
            owners.push(likely.first().copied().unwrap_or(0));
        }
        let merged = owners.len() > 1;
        for owner in owners {
            if let Some(share) = shares.get_mut(owner) {
                share.pieces.push(index);
                share.merged |= merged;
            }
        }
    }
    shares
}

/// Whether the case at this index expects such an access.
fn wants(wanted: &[Option<&Seen>], place: usize, fits: impl Fn(&Seen) -> bool) -> bool {
    wanted.get(place).copied().flatten().is_some_and(fits)
}

/// Chooses among several cases for an access: all, if it reaches beyond each of them. Otherwise the first
/// that holds all of it and still lacks bytes.
fn tell_apart(
    recording: &Recording,
    shares: &[Share],
    wanted: &[Option<&Seen>],
    piece: &Piece,
    owners: Vec<usize>,
) -> Vec<usize> {
    let holds = |place: &usize| {
        wants(wanted, *place, |seen| {
            seen.offset <= piece.offset && piece.end() <= seen.end()
        })
    };
    let missing = |place: &usize| {
        let have: usize = shares.get(*place).map_or(0, |share| {
            let pieces = recording.pieces_at(&share.pieces).into_iter();
            pieces.map(|piece| piece.bytes.len()).sum()
        });
        wants(wanted, *place, |seen| (have as u64) < seen.length)
    };
    let holders: Vec<usize> = owners.iter().copied().filter(holds).collect();
    match holders
        .iter()
        .copied()
        .find(missing)
        .or(holders.last().copied())
    {
        Some(owner) => vec![owner],
        None => owners,
    }
}

/// Whether an access of this case arrived before one of an earlier case, or after one of a later case.
pub(super) fn overtaken(shares: &[Share], place: usize) -> bool {
    let Some(own) = shares.get(place) else {
        return false;
    };
    let (Some(first), Some(last)) = (own.pieces.iter().min(), own.pieces.iter().max()) else {
        return false;
    };
    if own.merged {
        return false;
    }
    shares.iter().enumerate().any(|(other, share)| {
        !share.merged
            && match other.cmp(&place) {
                std::cmp::Ordering::Less => share.pieces.iter().any(|piece| piece > first),
                std::cmp::Ordering::Greater => share.pieces.iter().any(|piece| piece < last),
                std::cmp::Ordering::Equal => false,
            }
    })
}
