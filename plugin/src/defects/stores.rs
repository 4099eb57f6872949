// SPDX-License-Identifier: GPL-2.0-or-later
//! Defects in stores: other bytes, another place, number or order.

use zpci_region::request::Op;

use super::hook::{Defect, Hook, defects};
use super::pieces::{part, reversed, send};
use super::wire::Wire;
use crate::forward::access::Access;
use crate::forward::channel_error::ChannelError;
use crate::forward::ending::Ending;
use crate::forward::message::Place;
use crate::forward::stored;

pub(crate) const DEFECTS: &[Defect] = defects![
    "reversed-2",
    "the bytes of each halfword of a block are swapped",
    Hook::Store(|wire, access, bytes| send(wire, access, &reversed(access, bytes, 2))),
    "reversed-4",
    "the bytes of each word of a block are reversed",
    Hook::Store(|wire, access, bytes| send(wire, access, &reversed(access, bytes, 4))),
    "reversed-8",
    "the bytes of each doubleword of a block are reversed",
    Hook::Store(|wire, access, bytes| send(wire, access, &reversed(access, bytes, 8))),
    "reversed-whole",
    "the bytes of a block are reversed as a whole",
    Hook::Store(|wire, access, bytes| {
        send(wire, access, &reversed(access, bytes, bytes.len().max(1)))
    }),
    "words-swapped",
    "the two words of each doubleword of a block are swapped",
    Hook::Store(|wire, access, bytes| {
        let mut bytes = bytes.to_vec();
        if access.op == Op::StoreBlock {
            bytes
                .chunks_exact_mut(8)
                .for_each(|unit| unit.rotate_left(4));
        }
        send(wire, access, &bytes)
    }),
    "data-reversed",
    "the bytes of a PCISTG are reversed",
    Hook::Store(|wire, access, bytes| {
        let mut bytes = bytes.to_vec();
        if access.op == Op::Store {
            bytes.reverse();
        }
        send(wire, access, &bytes)
    }),
    "block-lost",
    "a block is not sent, and the guest gets condition code 0",
    Hook::Store(|wire, access, bytes| match access.op {
        Op::StoreBlock => Ok(Ending::Done),
        _ => send(wire, access, bytes),
    }),
    "some-blocks-lost",
    "every seventh block is not sent, and the guest gets condition code 0",
    Hook::Store(|wire, access, bytes| match wire.memory.count % 7 {
        0 if access.op == Op::StoreBlock => Ok(Ending::Done),
        _ => send(wire, access, bytes),
    }),
    "data-lost",
    "a PCISTG is not sent, and the guest gets condition code 0",
    Hook::Store(|wire, access, bytes| match access.op {
        Op::Store => Ok(Ending::Done),
        _ => send(wire, access, bytes),
    }),
    "first-byte-lost",
    "a block of two bytes and more is sent without its first byte",
    Hook::Store(|wire, access, bytes| match (access.op, bytes) {
        (Op::StoreBlock, [_, rest @ ..]) if !rest.is_empty() => part(wire, access, 1, rest),
        _ => send(wire, access, bytes),
    }),
    "last-byte-lost",
    "a block of two bytes and more is sent without its last byte",
    Hook::Store(|wire, access, bytes| match (access.op, bytes) {
        (Op::StoreBlock, [rest @ .., _]) if !rest.is_empty() => part(wire, access, 0, rest),
        _ => send(wire, access, bytes),
    }),
    "tail-lost",
    "of a block longer than 8 bytes, only whole doublewords are sent",
    Hook::Store(|wire, access, bytes| {
        let whole = bytes.len() & !7;
        match access.op {
            Op::StoreBlock if whole > 0 => {
                part(wire, access, 0, bytes.get(..whole).unwrap_or_default())
            }
            _ => send(wire, access, bytes),
        }
    }),
    "one-byte-more",
    "a block is sent with one zero after it, if the page has room",
    Hook::Store(|wire, access, bytes| {
        let end = access.place.offset % 4096 + bytes.len() as u64;
        let mut bytes = bytes.to_vec();
        if access.op == Op::StoreBlock && end < 4096 {
            bytes.push(0);
        }
        send(wire, access, &bytes)
    }),
    "byte-flipped",
    "one bit of a block's last byte is flipped",
    Hook::Store(|wire, access, bytes| {
        let mut bytes = bytes.to_vec();
        if let (Op::StoreBlock, Some(last)) = (access.op, bytes.last_mut()) {
            *last ^= 1;
        }
        send(wire, access, &bytes)
    }),
    "block-zeroed",
    "a block is sent as zeros",
    Hook::Store(|wire, access, bytes| match access.op {
        Op::StoreBlock => send(wire, access, &vec![0; bytes.len()]),
        _ => send(wire, access, bytes),
    }),
    "block-doubled",
    "a block is sent twice",
    Hook::Store(|wire, access, bytes| twice(Op::StoreBlock, wire, access, bytes)),
    "data-doubled",
    "a PCISTG is sent twice",
    Hook::Store(|wire, access, bytes| twice(Op::Store, wire, access, bytes)),
    "block-late",
    "a block is sent one instruction after the guest got its condition code",
    Hook::Store(|wire, access, bytes| {
        wire.flush()?;
        match access.op {
            Op::StoreBlock => {
                wire.hold(access, bytes, 1);
                Ok(Ending::Done)
            }
            _ => send(wire, access, bytes),
        }
    }),
    "stores-reordered",
    "the second of two block stores in a row is sent first",
    Hook::Store(|wire, access, bytes| match access.op {
        Op::StoreBlock if wire.memory.held.is_some() => {
            let ending = send(wire, access, bytes)?;
            wire.flush()?;
            Ok(ending)
        }
        Op::StoreBlock => {
            wire.hold(access, bytes, 0);
            Ok(Ending::Done)
        }
        _ => {
            wire.flush()?;
            send(wire, access, bytes)
        }
    }),
    "stores-merged",
    "two block stores in a row whose bytes follow each other are sent as one",
    Hook::Store(|wire, access, bytes| {
        let place = access.place;
        if access.op == Op::StoreBlock
            && let Some(held) = &mut wire.memory.held
            && held.place.pcias == place.pcias
            && held.place.offset + held.bytes.len() as u64 == place.offset
        {
            held.bytes.extend_from_slice(bytes);
            wire.flush()?;
            return Ok(Ending::Done);
        }
        wire.flush()?;
        match access.op {
            Op::StoreBlock => {
                wire.hold(access, bytes, 0);
                Ok(Ending::Done)
            }
            _ => send(wire, access, bytes),
        }
    }),
    "block-as-register-stores",
    "a block is sent as stores of registers",
    Hook::Store(|wire, access, bytes| {
        let mut ending = Ending::Done;
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let offset = access.place.offset + at as u64;
            let room = (8 - offset % 8) as usize;
            let piece = rest.get(..room).unwrap_or(rest);
            let place = Place {
                offset,
                ..access.place
            };
            ending = stored(wire.store(Op::Store, place, piece)?);
            at += piece.len();
        }
        Ok(ending)
    }),
    "loads-before-blocks",
    "the doubleword at a block's place is loaded before the block is sent",
    Hook::Store(|wire, access, bytes| {
        let place = Place {
            offset: access.place.offset & !7,
            length: 8,
            ..access.place
        };
        let _ = wire.load(place)?;
        send(wire, access, bytes)
    }),
    "short-padded",
    "a block of fewer than 8 bytes is sent as 8, with zeros after it, if the page has room",
    Hook::Store(|wire, access, bytes| {
        let mut bytes = bytes.to_vec();
        if access.op == Op::StoreBlock && bytes.len() < 8 && access.place.offset % 4096 + 8 <= 4096
        {
            bytes.resize(8, 0);
        }
        send(wire, access, &bytes)
    }),
    "offset-off-by-8",
    "a block is sent to the doubleword before its place, unless that is another page",
    Hook::Store(|wire, access, bytes| {
        let offset = access.place.offset;
        match access.op {
            Op::StoreBlock if offset % 4096 >= 8 => {
                let place = Place {
                    offset: offset - 8,
                    ..access.place
                };
                Ok(stored(wire.store(access.op, place, bytes)?))
            }
            _ => send(wire, access, bytes),
        }
    }),
    "refusal-hidden",
    "the guest gets condition code 0 for a store that the device refused",
    Hook::Store(|wire, access, bytes| {
        send(wire, access, bytes)?;
        Ok(Ending::Done)
    }),
    "data-widened",
    "a PCISTG of fewer than 8 bytes at a doubleword stores all 8 of them",
    Hook::Store(|wire, access, bytes| {
        let mut bytes = bytes.to_vec();
        if access.op == Op::Store && access.place.offset.is_multiple_of(8) {
            bytes.resize(8, 0);
        }
        send(wire, access, &bytes)
    }),
    "data-split",
    "a PCISTG of 8 bytes is sent in two halves",
    Hook::Store(|wire, access, bytes| match (access.op, bytes.len()) {
        (Op::Store, 8) => {
            let (first, second) = bytes.split_at(4);
            part(wire, access, 0, first)?;
            part(wire, access, 4, second)
        }
        _ => send(wire, access, bytes),
    }),
    "odd-data-cut",
    "only 1, 2 or 4 bytes of a PCISTG of 3, 5, 6 or 7 are sent",
    Hook::Store(|wire, access, bytes| {
        let kept = 1 << bytes.len().max(1).ilog2();
        match access.op {
            Op::Store => part(wire, access, 0, bytes.get(..kept).unwrap_or_default()),
            _ => send(wire, access, bytes),
        }
    }),
];

/// Sends a store twice if it is `op`, others once.
fn twice(
    op: Op,
    wire: &mut Wire<'_>,
    access: &Access,
    bytes: &[u8],
) -> Result<Ending, ChannelError> {
    if access.op == op {
        send(wire, access, bytes)?;
    }
    send(wire, access, bytes)
}
