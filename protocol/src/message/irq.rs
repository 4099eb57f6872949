//! DEVICE_GET_IRQ_INFO and DEVICE_SET_IRQS.

use super::envelope::put_words;
use crate::error::Refused;
use crate::limits::MAX_IRQ_VECTORS;
use crate::wire::{Put, Reader};

/// The index is signalled by eventfd.
pub const INFO_EVENTFD: u32 = 1;
/// Vectors can be masked.
pub const INFO_MASKABLE: u32 = 2;
/// The vectors in use cannot be changed one by one.
pub const INFO_NORESIZE: u32 = 8;

const DATA_NONE: u32 = 1;
const DATA_BOOL: u32 = 2;
const DATA_EVENTFD: u32 = 4;
const ACTION_MASK: u32 = 8;
const ACTION_UNMASK: u32 = 16;
const ACTION_TRIGGER: u32 = 32;
/// Body of DEVICE_GET_IRQ_INFO: u32 argsz, flags, index, count.
const INFO_LEN: u32 = 16;
/// Fixed part of SET_IRQS: u32 argsz, flags, index, start, count.
const SET_LEN: u32 = 20;

/// Reads the index that the client asks about.
pub(super) fn decode_get_info(body: &[u8]) -> Result<u32, Refused> {
    let mut reader = Reader::new("DEVICE_GET_IRQ_INFO", body);
    let (argsz, _flags, index, _count) =
        (reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?);
    if argsz < INFO_LEN {
        return Err(Refused::invalid(format!(
            "DEVICE_GET_IRQ_INFO: argsz {argsz}, expected at least 16"
        )));
    }
    reader.end_padded(INFO_LEN, argsz)?;
    Ok(index)
}

/// Appends a DEVICE_GET_IRQ_INFO body: u32 argsz (16), u32 flags, u32 index, u32 vectors.
pub fn encode_info(index: u32, flags: u32, count: u32, out: &mut Vec<u8>) {
    put_words(out, [16, flags, index, count]);
}

/// The description of an interrupt index for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IrqInfo {
    /// The index.
    pub index: u32,
    /// [`INFO_EVENTFD`], [`INFO_MASKABLE`], [`INFO_NORESIZE`].
    pub flags: u32,
    /// Vectors.
    pub count: u32,
}

impl IrqInfo {
    /// Reads an answer to DEVICE_GET_IRQ_INFO.
    pub fn decode(body: &[u8]) -> Result<Self, Refused> {
        let mut reader = Reader::new("DEVICE_GET_IRQ_INFO", body);
        let (_argsz, flags, index, count) =
            (reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?);
        reader.end()?;
        Ok(Self {
            index,
            flags,
            count,
        })
    }
}

/// The action on vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IrqAction {
    /// Hold them back.
    Mask,
    /// Deliver again.
    Unmask,
    /// Fire them, or say how they are to be fired.
    Trigger,
}

/// The vectors, and their new state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IrqData<'a> {
    /// All of `start..start + count`.
    None,
    /// Those whose byte is not 0.
    Bool(&'a [u8]),
    /// Each with an eventfd that came along; fewer descriptors than vectors leave the rest without.
    Eventfd,
}

/// A SET_IRQS request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetIrqs<'a> {
    /// Interrupt index.
    pub index: u32,
    /// First vector.
    pub start: u32,
    /// Number of vectors.
    pub count: u32,
    /// The action.
    pub action: IrqAction,
    /// With what.
    pub data: IrqData<'a>,
}

impl<'a> SetIrqs<'a> {
    pub(crate) fn decode(body: &'a [u8]) -> Result<Self, Refused> {
        let mut reader = Reader::new("DEVICE_SET_IRQS", body);
        let (argsz, flags, index) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let (start, count) = (reader.u32()?, reader.u32()?);
        if argsz < SET_LEN {
            return Err(Refused::invalid(format!(
                "DEVICE_SET_IRQS: argsz {argsz}, expected at least 20"
            )));
        }
        let wrong = || {
            Refused::invalid(format!(
                "DEVICE_SET_IRQS: flags {flags:#x}, expected one of none (1), bool (2), eventfd (4) \
                 and one of mask (8), unmask (0x10), trigger (0x20)"
            ))
        };
        let action = match flags & !(DATA_NONE | DATA_BOOL | DATA_EVENTFD) {
            ACTION_MASK => IrqAction::Mask,
            ACTION_UNMASK => IrqAction::Unmask,
            ACTION_TRIGGER => IrqAction::Trigger,
            _ => return Err(wrong()),
        };
        let data = match flags & (DATA_NONE | DATA_BOOL | DATA_EVENTFD) {
            DATA_NONE => IrqData::None,
            DATA_BOOL => {
                if argsz.saturating_sub(SET_LEN) < count {
                    return Err(Refused::invalid(format!(
                        "DEVICE_SET_IRQS: argsz {argsz} has no room for {count} booleans"
                    )));
                }
                IrqData::Bool(reader.bytes(count as usize)?)
            }
            DATA_EVENTFD => IrqData::Eventfd,
            _ => return Err(wrong()),
        };
        reader.end()?;
        if start.checked_add(count).is_none() {
            return Err(Refused::invalid(format!(
                "DEVICE_SET_IRQS: start {start} + count {count} overflows"
            )));
        }
        if count > MAX_IRQ_VECTORS {
            return Err(Refused::invalid(format!(
                "DEVICE_SET_IRQS: {count} vectors, expected at most {MAX_IRQ_VECTORS}"
            )));
        }
        let disables = start == 0 && data == IrqData::None && action == IrqAction::Trigger;
        if count == 0 && !disables {
            return Err(Refused::invalid(
                "DEVICE_SET_IRQS: count 0, expected start 0 and the flags none and trigger with it, which disable an index",
            ));
        }
        Ok(Self {
            index,
            start,
            count,
            action,
            data,
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let (data, bytes) = match self.data {
            IrqData::None => (DATA_NONE, &[][..]),
            IrqData::Bool(bytes) => (DATA_BOOL, bytes),
            IrqData::Eventfd => (DATA_EVENTFD, &[][..]),
        };
        let action = match self.action {
            IrqAction::Mask => ACTION_MASK,
            IrqAction::Unmask => ACTION_UNMASK,
            IrqAction::Trigger => ACTION_TRIGGER,
        };
        let argsz = SET_LEN.saturating_add(bytes.len() as u32);
        put_words(out, [argsz, data | action, self.index, self.start]);
        out.put_u32(self.count);
        out.extend_from_slice(bytes);
    }

    /// The vectors chosen by [`IrqData::None`] or [`IrqData::Bool`].
    pub fn chosen(&self) -> impl Iterator<Item = u32> + 'a {
        let bytes = match self.data {
            IrqData::Bool(bytes) => bytes,
            IrqData::None | IrqData::Eventfd => &[],
        };
        let all = matches!(self.data, IrqData::None);
        let range = self.start..self.start.saturating_add(self.count);
        range
            .enumerate()
            .filter(move |(at, _)| all || bytes.get(*at).is_some_and(|byte| *byte != 0))
            .map(|(_, vector)| vector)
    }
}
