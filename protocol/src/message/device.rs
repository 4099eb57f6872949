//! The message DEVICE_GET_INFO and its answer.

use super::envelope::put_words;
use crate::error::Refused;
use crate::wire::{Put, Reader};

/// Bytes of the body without capabilities: u32 argsz, u32 flags, u32 regions, u32 interrupt indexes.
pub const INFO_LEN: u32 = 16;
/// Offset of the capability chain, after u32 cap_offset and u32 padding (Linux `vfio_device_info`).
pub const CAPS_START: u32 = 24;
/// Flag: DEVICE_RESET is supported.
const FLAG_RESET: u32 = 1;
/// Flag: the device is a PCI device.
const FLAG_PCI: u32 = 2;
/// Flag: capabilities follow the fixed part.
const FLAG_CAPS: u32 = 0x80;

/// The answer to DEVICE_GET_INFO: a description of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceInfo<'a> {
    /// Number of regions of the device.
    pub regions: u32,
    /// Number of interrupt indexes.
    pub irqs: u32,
    /// Capability chain, which begins at [`CAPS_START`]; empty for none. Its `next` offsets count from the
    /// start of the body.
    pub capabilities: &'a [u8],
}

/// Reads the number of bytes that the client has for the answer.
pub(super) fn decode_get_info(body: &[u8]) -> Result<u32, Refused> {
    let mut reader = Reader::new("DEVICE_GET_INFO", body);
    let argsz = reader.u32()?;
    reader.bytes(12)?;
    if argsz < INFO_LEN {
        return Err(Refused::invalid(format!(
            "DEVICE_GET_INFO: argsz {argsz}, expected at least 16"
        )));
    }
    // Linux's structure has grown by cap_offset and later by padding, and a client may send all of it.
    if !matches!(reader.rest().len(), 4 | 8) {
        reader.end_padded(INFO_LEN, argsz)?;
    }
    Ok(argsz)
}

pub(super) fn encode_get_info(argsz: u32, out: &mut Vec<u8>) {
    put_words(out, [argsz, 0, 0, 0]);
}

impl<'a> DeviceInfo<'a> {
    /// Appends the answer for a client with room for `room` bytes. Capabilities are sent only if all of them
    /// fit. `argsz` is the size of the whole answer, so that the client can ask again.
    pub fn encode(&self, room: u32, out: &mut Vec<u8>) {
        let flags = FLAG_RESET | FLAG_PCI;
        if self.capabilities.is_empty() {
            return put_words(out, [INFO_LEN, flags, self.regions, self.irqs]);
        }
        let caps_len = u32::try_from(self.capabilities.len()).unwrap_or(u32::MAX);
        let needed = CAPS_START.saturating_add(caps_len);
        let fits = room >= needed;
        let flags = if fits { flags | FLAG_CAPS } else { flags };
        put_words(out, [needed, flags, self.regions, self.irqs]);
        if fits {
            out.put_u32(CAPS_START);
            out.put_u32(0);
            out.extend_from_slice(self.capabilities);
        }
    }

    /// Reads an answer. Returns the device, and the bytes of the whole answer (argsz).
    ///
    /// # Errors
    /// EINVAL: the body is shorter than 16 bytes, or its capabilities start behind its end.
    pub fn decode(body: &'a [u8]) -> Result<(Self, u32), Refused> {
        let mut reader = Reader::new("DEVICE_GET_INFO", body);
        let (argsz, flags) = (reader.u32()?, reader.u32()?);
        let (regions, irqs) = (reader.u32()?, reader.u32()?);
        let capabilities = if flags & FLAG_CAPS != 0 {
            let start = reader.u32()? as usize;
            body.get(start..)
                .ok_or_else(|| Refused::invalid("DEVICE_GET_INFO: cap_offset past the end"))?
        } else {
            &[]
        };
        Ok((
            Self {
                regions,
                irqs,
                capabilities,
            },
            argsz,
        ))
    }
}
