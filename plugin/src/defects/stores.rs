// SPDX-License-Identifier: GPL-2.0-or-later
//! Defects in stores: other bytes, another place, number or order.

use zpci_region::request::Op;

use super::hook::{Defect, Hook};
use super::pieces::{part, reversed, send};
use crate::forward::ending::Ending;
use crate::forward::message::Place;
use crate::forward::stored;

pub(crate) const DEFECTS: &[Defect] = &[
    Defect {
        name: "reversed-2",
        what: "the bytes of each halfword of a block are swapped",
        hook: Hook::Store(|wire, access, bytes| send(wire, access, &reversed(access, bytes, 2))),
    },
    Defect {
        name: "reversed-4",
        what: "the bytes of each word of a block are reversed",
        hook: Hook::Store(|wire, access, bytes| send(wire, access, &reversed(access, bytes, 4))),
    },
    Defect {
        name: "reversed-8",
        what: "the bytes of each doubleword of a block are reversed",
        hook: Hook::Store(|wire, access, bytes| send(wire, access, &reversed(access, bytes, 8))),
    },
    Defect {
        name: "reversed-whole",
        what: "the bytes of a block are reversed as a whole",
        hook: Hook::Store(|wire, access, bytes| {
            send(wire, access, &reversed(access, bytes, bytes.len().max(1)))
        }),
    },
    Defect {
        name: "words-swapped",
        what: "the two words of each doubleword of a block are swapped",
        hook: Hook::Store(|wire, access, bytes| {
            let mut bytes = bytes.to_vec();
            if access.op == Op::StoreBlock {
                bytes
                    .chunks_exact_mut(8)
                    .for_each(|unit| unit.rotate_left(4));
            }
            send(wire, access, &bytes)
        }),
    },
    Defect {
        name: "data-reversed",
        what: "the bytes of a PCISTG are reversed",
        hook: Hook::Store(|wire, access, bytes| {
            let mut bytes = bytes.to_vec();
            if access.op == Op::Store {
                bytes.reverse();
            }
            send(wire, access, &bytes)
        }),
    },
    Defect {
        name: "block-lost",
        what: "a block is not sent, and the guest gets condition code 0",
        hook: Hook::Store(|wire, access, bytes| match access.op {
            Op::StoreBlock => Ok(Ending::Done),
            _ => send(wire, access, bytes),
        }),
    },
    Defect {
        name: "some-blocks-lost",
        what: "every seventh block is not sent, and the guest gets condition code 0",
        hook: Hook::Store(|wire, access, bytes| match wire.memory.count % 7 {
            0 if access.op == Op::StoreBlock => Ok(Ending::Done),
            _ => send(wire, access, bytes),
        }),
    },
    Defect {
        name: "data-lost",
        what: "a PCISTG is not sent, and the guest gets condition code 0",
        hook: Hook::Store(|wire, access, bytes| match access.op {
            Op::Store => Ok(Ending::Done),
            _ => send(wire, access, bytes),
        }),
    },
    Defect {
        name: "first-byte-lost",
        what: "a block of two bytes and more is sent without its first byte",
        hook: Hook::Store(|wire, access, bytes| match (access.op, bytes) {
            (Op::StoreBlock, [_, rest @ ..]) if !rest.is_empty() => part(wire, access, 1, rest),
            _ => send(wire, access, bytes),
        }),
    },
    Defect {
        name: "last-byte-lost",
        what: "a block of two bytes and more is sent without its last byte",
        hook: Hook::Store(|wire, access, bytes| match (access.op, bytes) {
            (Op::StoreBlock, [rest @ .., _]) if !rest.is_empty() => part(wire, access, 0, rest),
            _ => send(wire, access, bytes),
        }),
    },
    Defect {
        name: "tail-lost",
        what: "of a block longer than 8 bytes, only whole doublewords are sent",
        hook: Hook::Store(|wire, access, bytes| {
            let whole = bytes.len() & !7;
            match access.op {
                Op::StoreBlock if whole > 0 => {
                    part(wire, access, 0, bytes.get(..whole).unwrap_or_default())
                }
                _ => send(wire, access, bytes),
            }
        }),
    },
    Defect {
        name: "one-byte-more",
        what: "a block is sent with one zero after it, if the page has room",
        hook: Hook::Store(|wire, access, bytes| {
            let end = access.place.offset % 4096 + bytes.len() as u64;
            let mut bytes = bytes.to_vec();
            if access.op == Op::StoreBlock && end < 4096 {
                bytes.push(0);
            }
            send(wire, access, &bytes)
        }),
    },
    Defect {
        name: "byte-flipped",
        what: "one bit of a block's last byte is flipped",
        hook: Hook::Store(|wire, access, bytes| {
            let mut bytes = bytes.to_vec();
            if let (Op::StoreBlock, Some(last)) = (access.op, bytes.last_mut()) {
                *last ^= 1;
            }
            send(wire, access, &bytes)
        }),
    },
    Defect {
        name: "block-zeroed",
        what: "a block is sent as zeros",
        hook: Hook::Store(|wire, access, bytes| match access.op {
            Op::StoreBlock => send(wire, access, &vec![0; bytes.len()]),
            _ => send(wire, access, bytes),
        }),
    },
    Defect {
        name: "block-doubled",
        what: "a block is sent twice",
        hook: Hook::Store(|wire, access, bytes| {
            if access.op == Op::StoreBlock {
                send(wire, access, bytes)?;
            }
            send(wire, access, bytes)
        }),
    },
    Defect {
        name: "data-doubled",
        what: "a PCISTG is sent twice",
        hook: Hook::Store(|wire, access, bytes| {
            if access.op == Op::Store {
                send(wire, access, bytes)?;
            }
            send(wire, access, bytes)
        }),
    },
    Defect {
        name: "block-late",
        what: "a block is sent one instruction after the guest got its condition code",
        hook: Hook::Store(|wire, access, bytes| {
            wire.flush()?;
            match access.op {
                Op::StoreBlock => {
                    wire.hold(access, bytes, 1);
                    Ok(Ending::Done)
                }
                _ => send(wire, access, bytes),
            }
        }),
    },
    Defect {
        name: "stores-reordered",
        what: "the second of two block stores in a row is sent first",
        hook: Hook::Store(|wire, access, bytes| match access.op {
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
    },
    Defect {
        name: "stores-merged",
        what: "two block stores in a row whose bytes follow each other are sent as one",
        hook: Hook::Store(|wire, access, bytes| {
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
    },
    Defect {
        name: "block-as-register-stores",
        what: "a block is sent as stores of registers",
        hook: Hook::Store(|wire, access, bytes| {
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
    },
    Defect {
        name: "loads-before-blocks",
        what: "the doubleword at a block's place is loaded before the block is sent",
        hook: Hook::Store(|wire, access, bytes| {
            let place = Place {
                offset: access.place.offset & !7,
                length: 8,
                ..access.place
            };
            let _ = wire.load(place)?;
            send(wire, access, bytes)
        }),
    },
    Defect {
        name: "short-padded",
        what: "a block of fewer than 8 bytes is sent as 8, with zeros after it, if the page has room",
        hook: Hook::Store(|wire, access, bytes| {
            let mut bytes = bytes.to_vec();
            if access.op == Op::StoreBlock
                && bytes.len() < 8
                && access.place.offset % 4096 + 8 <= 4096
            {
                bytes.resize(8, 0);
            }
            send(wire, access, &bytes)
        }),
    },
    Defect {
        name: "offset-off-by-8",
        what: "a block is sent to the doubleword before its place, unless that is another page",
        hook: Hook::Store(|wire, access, bytes| {
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
    },
    Defect {
        name: "refusal-hidden",
        what: "the guest gets condition code 0 for a store that the device refused",
        hook: Hook::Store(|wire, access, bytes| {
            send(wire, access, bytes)?;
            Ok(Ending::Done)
        }),
    },
    Defect {
        name: "data-widened",
        what: "a PCISTG of fewer than 8 bytes at a doubleword stores all 8 of them",
        hook: Hook::Store(|wire, access, bytes| {
            let mut bytes = bytes.to_vec();
            if access.op == Op::Store && access.place.offset.is_multiple_of(8) {
                bytes.resize(8, 0);
            }
            send(wire, access, &bytes)
        }),
    },
    Defect {
        name: "data-split",
        what: "a PCISTG of 8 bytes is sent in two halves",
        hook: Hook::Store(|wire, access, bytes| match (access.op, bytes.len()) {
            (Op::Store, 8) => {
                let (first, second) = bytes.split_at(4);
                part(wire, access, 0, first)?;
                part(wire, access, 4, second)
            }
            _ => send(wire, access, bytes),
        }),
    },
    Defect {
        name: "odd-data-cut",
        what: "only 1, 2 or 4 bytes of a PCISTG of 3, 5, 6 or 7 are sent",
        hook: Hook::Store(|wire, access, bytes| {
            let kept = 1 << bytes.len().max(1).ilog2();
            match access.op {
                Op::Store => part(wire, access, 0, bytes.get(..kept).unwrap_or_default()),
                _ => send(wire, access, bytes),
            }
        }),
    },
];
