//! The messages DEVICE_GET_IRQ_INFO and DEVICE_SET_IRQS.

use super::envelope::put_words;
use crate::error::Refused;
use crate::limits::MAX_IRQ_VECTORS;
use crate::wire::{Put, Reader};

/// Flag: eventfds signal the interrupts of the index.
pub const INFO_EVENTFD: u32 = 1;
/// Flag: the vectors can be masked.
pub const INFO_MASKABLE: u32 = 2;
/// Flag: the vectors in use cannot be changed one by one.
pub const INFO_NORESIZE: u32 = 8;

const DATA_NONE: u32 = 1;
const DATA_BOOL: u32 = 2;
const DATA_EVENTFD: u32 = 4;
const ACTION_MASK: u32 = 8;
const ACTION_UNMASK: u32 = 16;
const ACTION_TRIGGER: u32 = 32;
/// Bytes of the body of DEVICE_GET_IRQ_INFO: u32 argsz, flags, index, count.
const INFO_LEN: u32 = 16;
/// Bytes of the fixed part of DEVICE_SET_IRQS: u32 argsz, flags, index, start, count.
const SET_LEN: u32 = 20;

/// Reads the interrupt index of the request.
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

/// Appends a body of DEVICE_GET_IRQ_INFO: u32 argsz (16), u32 flags, u32 index, u32 vectors.
pub fn encode_info(index: u32, flags: u32, count: u32, out: &mut Vec<u8>) {
    put_words(out, [16, flags, index, count]);
}

/// The answer to DEVICE_GET_IRQ_INFO: a description of an interrupt index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IrqInfo {
    /// The interrupt index: INTx, MSI, MSI-X, error or request.
    pub index: u32,
    /// Any of [`INFO_EVENTFD`], [`INFO_MASKABLE`] and [`INFO_NORESIZE`].
    pub flags: u32,
    /// Number of vectors of the index.
    pub count: u32,
}

impl IrqInfo {
    /// Reads an answer to DEVICE_GET_IRQ_INFO.
    ///
    /// # Errors
    /// EINVAL: the body has not exactly 16 bytes.
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

/// The action on the chosen vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IrqAction {
    /// Hold their interrupts back.
    Mask,
    /// Deliver their interrupts again.
    Unmask,
    /// Fire them, or assign their eventfds.
    Trigger,
}

/// The data of a request, which chooses vectors or assigns eventfds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IrqData<'a> {
    /// All vectors of `start..start + count`.
    None,
    /// The vectors whose byte is not 0.
    Bool(&'a [u8]),
    /// One eventfd for each vector. Vectors without a descriptor get none.
    Eventfd,
}

/// A request to change interrupt vectors of one index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetIrqs<'a> {
    /// The interrupt index: INTx, MSI, MSI-X, error or request.
    pub index: u32,
    /// Number of the first vector.
    pub start: u32,
    /// Number of vectors from `start` on.
    pub count: u32,
    /// The action on the vectors.
    pub action: IrqAction,
    /// The choice of vectors, or their eventfds.
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

    /// The vectors that [`IrqData::None`] or [`IrqData::Bool`] chooses.
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
