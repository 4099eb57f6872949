// SPDX-License-Identifier: GPL-2.0-or-later
//! Defects that send a block in pieces.

use zpci_region::request::Op;

use super::hook::{Defect, Hook, defects};
use super::wire::Wire;
use crate::forward::access::{Access, Operand};
use crate::forward::channel_error::ChannelError;
use crate::forward::ending::Ending;
use crate::forward::message::Place;
use crate::forward::stored;

/// The outcome of a store.
pub(crate) type Sent = Result<Ending, ChannelError>;

macro_rules! split {
    ($($name:literal $size:literal)*) => {
        &[$(Defect {
            name: $name,
            what: concat!("a block is sent in pieces of ", $size, " bytes"),
            hook: Hook::Store(|wire, access, bytes| pieces(wire, access, bytes.chunks($size))),
        }),*]
    };
}

/// Defects that send pieces of one size.
pub(crate) const SPLITS: &[Defect] = split! {
    "split-1" 1 "split-2" 2 "split-4" 4 "split-8" 8 "split-16" 16 "split-128" 128 "split-256" 256
    "split-1024" 1024 "split-2048" 2048
};

/// All other defects with pieces.
pub(crate) const DEFECTS: &[Defect] = defects![
    "split-in-halves",
    "a block of two bytes and more is sent in two pieces",
    Hook::Store(|wire, access, bytes| {
        let half = bytes.len().div_ceil(2).max(1);
        pieces(wire, access, bytes.chunks(half))
    }),
    "split-at-source-page",
    "a block is sent in two pieces where its source crosses a page",
    Hook::Store(|wire, access, bytes| {
        let Operand::Block { source } = access.operand else {
            return send(wire, access, bytes);
        };
        let within = 4096 - (source % 4096) as usize;
        if bytes.len() <= within {
            return send(wire, access, bytes);
        }
        let (first, second) = bytes.split_at(within);
        pieces(wire, access, [first, second].into_iter())
    }),
    "split-descending",
    "a block is sent in pieces of 8 bytes, the last one first",
    Hook::Store(|wire, access, bytes| {
        if access.op != Op::StoreBlock {
            return send(wire, access, bytes);
        }
        let pieces: Vec<&[u8]> = bytes.chunks(8).collect();
        let mut ending = Ending::Done;
        for (number, piece) in pieces.into_iter().enumerate().rev() {
            ending = part(wire, access, number * 8, piece)?;
        }
        Ok(ending)
    }),
    "split-reversed",
    "a block is sent in pieces of 8 bytes, each with its bytes reversed, as QEMU does",
    Hook::Store(|wire, access, bytes| {
        let bytes = reversed(access, bytes, 8);
        pieces(wire, access, bytes.chunks(8))
    }),
];

/// Sends a store correctly.
///
/// # Errors
/// The channel has failed.
pub(crate) fn send(wire: &mut Wire<'_>, access: &Access, bytes: &[u8]) -> Sent {
    Ok(stored(wire.store(access.op, access.place, bytes)?))
}

/// Sends a piece that begins `at` bytes after the start of the store.
///
/// # Errors
/// The channel has failed.
pub(crate) fn part(wire: &mut Wire<'_>, access: &Access, at: usize, bytes: &[u8]) -> Sent {
    let place = Place {
        offset: access.place.offset.wrapping_add(at as u64),
        ..access.place
    };
    Ok(stored(wire.store(access.op, place, bytes)?))
}

/// Sends a block in pieces, in ascending order. The first refusal ends it.
pub(crate) fn pieces<'a>(
    wire: &mut Wire<'_>,
    access: &Access,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Sent {
    let mut at = 0;
    let whole = access.op != Op::StoreBlock;
    let mut register = Vec::new();
    for piece in pieces {
        if whole {
            register.extend_from_slice(piece);
            continue;
        }
        let ending = part(wire, access, at, piece)?;
        if ending != Ending::Done {
            return Ok(ending);
        }
        at += piece.len();
    }
    match whole {
        true => send(wire, access, &register),
        false => Ok(Ending::Done),
    }
}

/// Reverses the bytes in each unit of `size` bytes of a block.
pub(crate) fn reversed(access: &Access, bytes: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if access.op == Op::StoreBlock {
        bytes.chunks_mut(size).for_each(<[u8]>::reverse);
    }
    bytes
}
