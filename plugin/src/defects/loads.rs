// SPDX-License-Identifier: GPL-2.0-or-later
//! Defects in loads: a wrong request, or a wrong value in the register.

use super::hook::{Defect, Hook, defects};
use super::wire::Wire;
use crate::decode::Gpr;
use crate::forward::access::{Access, Operand};
use crate::forward::channel::Answer;
use crate::forward::channel_error::ChannelError;
use crate::forward::ending::Ending;
use crate::forward::message::Place;
use crate::forward::refused;

type Loaded = Result<Ending, ChannelError>;

pub(crate) const DEFECTS: &[Defect] = defects![
    "load-cached",
    "a place that was loaded once is not loaded from the device again",
    Hook::Load(|wire, access| {
        let place = (access.place.pcias, access.place.offset);
        if let Some(value) = wire.memory.loaded.get(&place) {
            return Ok(end(access, Ok(*value)));
        }
        let answer = wire.load(access.place)?;
        if let Ok(value) = answer {
            wire.memory.loaded.insert(place, value);
        }
        Ok(end(access, answer))
    }),
    "load-zeros",
    "a load gives 0 without asking the device",
    Hook::Load(|_, access| Ok(end(access, Ok(0)))),
    "load-ones",
    "a load gives all ones without asking the device",
    Hook::Load(|_, access| {
        Ok(end(
            access,
            Ok(u64::MAX >> (64 - 8 * u32::from(access.place.length.clamp(1, 8)))),
        ))
    }),
    "load-swapped",
    "the bytes of a loaded value are reversed",
    Hook::Load(|wire, access| {
        changed(wire, access, |value, bits| {
            value.swap_bytes() >> (64 - bits)
        })
    }),
    "load-left-aligned",
    "a loaded value is put into the high bytes of the register",
    Hook::Load(|wire, access| changed(wire, access, |value, bits| value << (64 - bits))),
    "load-sign-extended",
    "a loaded value is taken for a signed number",
    Hook::Load(|wire, access| {
        changed(wire, access, |value, bits| {
            ((value << (64 - bits)).cast_signed() >> (64 - bits)).cast_unsigned()
        })
    }),
    "load-ors",
    "the bytes of the register before the value are ones",
    Hook::Load(|wire, access| {
        changed(wire, access, |value, bits| {
            value | u64::MAX.unbounded_shl(bits)
        })
    }),
    "load-low-word-only",
    "only the low 4 bytes of a loaded value are put into the register",
    Hook::Load(|wire, access| changed(wire, access, |value, _| value & 0xFFFF_FFFF)),
    "load-doubled",
    "a load asks the device twice",
    Hook::Load(|wire, access| {
        let _ = wire.load(access.place)?;
        Ok(end(access, wire.load(access.place)?))
    }),
    "load-widened",
    "a load of fewer than 8 bytes asks the device for its whole doubleword",
    Hook::Load(|wire, access| {
        let place = access.place;
        let whole = Place {
            offset: place.offset & !7,
            length: 8,
            ..place
        };
        let behind = 8 - place.offset % 8 - u64::from(place.length);
        let bits = 8 * u32::from(place.length);
        let answer = wire.load(whole)?;
        Ok(end(
            access,
            answer.map(|value| value >> (8 * behind) & u64::MAX >> (64 - bits)),
        ))
    }),
    "load-in-bytes",
    "a load asks the device for each byte separately",
    Hook::Load(|wire, access| {
        let mut value = Ok(0);
        for at in 0..u64::from(access.place.length) {
            let place = Place {
                offset: access.place.offset + at,
                length: 1,
                ..access.place
            };
            let byte = wire.load(place)?;
            value = value.and_then(|value: u64| byte.map(|byte| value << 8 | byte));
        }
        Ok(end(access, value))
    }),
    "load-of-next",
    "a load gives the next doubleword, if BAR 2 has one",
    Hook::Load(|wire, access| {
        let offset = access.place.offset;
        let offset = if offset + 16 <= 4096 {
            offset + 8
        } else {
            offset
        };
        Ok(end(
            access,
            wire.load(Place {
                offset,
                ..access.place
            })?,
        ))
    }),
    "load-refusal-hidden",
    "a load that the device refuses gives all ones and condition code 0",
    Hook::Load(|wire, access| {
        let answer = wire.load(access.place)?;
        Ok(end(access, Ok(answer.unwrap_or(u64::MAX))))
    }),
    "load-not-kept",
    "a load asks the device and leaves the register as it was",
    Hook::Load(|wire, access| {
        Ok(wire
            .load(access.place)?
            .map_or_else(refused, |_| Ending::Done))
    }),
    "odd-load-cut",
    "only 1, 2 or 4 bytes of a PCILG of 3, 5, 6 or 7 are loaded",
    Hook::Load(|wire, access| {
        let length = 1 << access.place.length.max(1).ilog2();
        Ok(end(
            access,
            wire.load(Place {
                length,
                ..access.place
            })?,
        ))
    }),
];

fn register(access: &Access) -> Gpr {
    match access.operand {
        Operand::Result(register) => register,
        _ => access.status,
    }
}

fn end(access: &Access, answer: Answer<u64>) -> Ending {
    answer.map_or_else(refused, |value| Ending::Loaded(register(access), value))
}

/// Sends a load, and changes its value (of so many bits) before it goes into the register.
fn changed(wire: &mut Wire<'_>, access: &Access, change: fn(u64, u32) -> u64) -> Loaded {
    let bits = 8 * u32::from(access.place.length.clamp(1, 8));
    Ok(end(
        access,
        wire.load(access.place)?.map(|value| change(value, bits)),
    ))
}
