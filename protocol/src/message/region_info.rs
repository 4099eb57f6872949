//! The messages DEVICE_GET_REGION_INFO, with its capability chain, and DEVICE_GET_REGION_IO_FDS.

use super::envelope::put_words;
use super::region_capability::{RegionCapability, chain_len, decode_chain, encode_chain};
use crate::error::Refused;
use crate::wire::{Put, Reader};

/// Bytes of the body without capabilities: u32 argsz, u32 flags, u32 index, u32 cap_offset, u64 size, u64
/// offset.
pub const INFO_LEN: u32 = 32;
/// Bytes of the body of DEVICE_GET_REGION_IO_FDS without sub-regions: u32 argsz, flags, index, count.
pub const IO_FDS_LEN: u32 = 16;
/// Flag: the client can read the region.
pub const FLAG_READ: u32 = 1;
/// Flag: the client can write the region.
pub const FLAG_WRITE: u32 = 2;
/// Flag: the client can map the region; a descriptor comes with the answer.
pub const FLAG_MMAP: u32 = 4;
/// Flag: capabilities follow the fixed part.
const FLAG_CAPS: u32 = 8;

/// The answer to DEVICE_GET_REGION_INFO: a description of a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegionInfo {
    /// Index of the region.
    pub index: u32,
    /// Any of [`FLAG_READ`] and [`FLAG_WRITE`].
    pub flags: u32,
    /// Size in bytes; 0 for a region that does not exist.
    pub size: u64,
    /// Type and subtype of a device-specific region.
    pub kind: Option<(u32, u32)>,
}

/// Reads the number of bytes that the client has for the answer, and the region's index.
pub(super) fn decode_get(body: &[u8]) -> Result<(u32, u32), Refused> {
    let mut reader = Reader::new("DEVICE_GET_REGION_INFO", body);
    let (argsz, _flags, index) = (reader.u32()?, reader.u32()?, reader.u32()?);
    reader.bytes(20)?;
    if argsz < INFO_LEN {
        return Err(Refused::invalid(format!(
            "DEVICE_GET_REGION_INFO: argsz {argsz}, expected at least 32"
        )));
    }
    reader.end_padded(INFO_LEN, argsz)?;
    Ok((argsz, index))
}

pub(super) fn encode_get(argsz: u32, index: u32, out: &mut Vec<u8>) {
    put_words(out, [argsz, 0, index, 0]);
    out.put_u64(0);
    out.put_u64(0);
}

impl RegionInfo {
    /// Appends the answer for a client with room for `room` bytes. A region with a `kind` gets the type
    /// capability; see [`super::DeviceInfo::encode`].
    pub fn encode(&self, room: u32, out: &mut Vec<u8>) {
        match self.kind {
            None => self.encode_with(&[], room, out),
            Some((kind, subtype)) => {
                let capability = RegionCapability::Type { kind, subtype };
                self.encode_with(&[capability], room, out);
            }
        }
    }

    /// Appends the answer with exactly these capabilities. They are sent only if all of them fit. `argsz` is
    /// the size of the whole answer, so that the client can ask again.
    pub fn encode_with(&self, capabilities: &[RegionCapability], room: u32, out: &mut Vec<u8>) {
        let chain = u32::try_from(chain_len(capabilities)).unwrap_or(u32::MAX);
        let needed = INFO_LEN.saturating_add(chain);
        let (caps_flag, cap_offset) = if chain != 0 && room >= needed {
            (FLAG_CAPS, INFO_LEN)
        } else {
            (0, 0)
        };
        put_words(
            out,
            [needed, self.flags | caps_flag, self.index, cap_offset],
        );
        out.put_u64(self.size);
        out.put_u64(0);
        if caps_flag != 0 {
            encode_chain(capabilities, INFO_LEN, out);
        }
    }

    /// Reads an answer. Returns the region, and the bytes of the whole answer (argsz).
    ///
    /// # Errors
    /// As for [`RegionInfo::decode_with`].
    pub fn decode(body: &[u8]) -> Result<(Self, u32), Refused> {
        let (info, argsz, _) = Self::decode_with(body)?;
        Ok((info, argsz))
    }

    /// Reads an answer. Returns the region, the bytes of the whole answer (argsz), and the capabilities.
    ///
    /// # Errors
    /// EINVAL: the body is shorter than 32 bytes, or its chain of capabilities is broken.
    pub fn decode_with(body: &[u8]) -> Result<(Self, u32, Vec<RegionCapability>), Refused> {
        let mut reader = Reader::new("DEVICE_GET_REGION_INFO", body);
        let (argsz, flags, index) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let (cap_offset, size, _offset) = (reader.u32()?, reader.u64()?, reader.u64()?);
        let capabilities = if flags & FLAG_CAPS != 0 {
            decode_chain(body, cap_offset)?
        } else {
            Vec::new()
        };
        let kind = capabilities.iter().find_map(|capability| match capability {
            RegionCapability::Type { kind, subtype } => Some((*kind, *subtype)),
            _ => None,
        });
        let info = Self {
            index,
            flags: flags & !FLAG_CAPS,
            size,
            kind,
        };
        Ok((info, argsz, capabilities))
    }
}

/// Reads the number of bytes that the client has for the answer, and the region's index.
pub(super) fn decode_get_io_fds(body: &[u8]) -> Result<(u32, u32), Refused> {
    let mut reader = Reader::new("DEVICE_GET_REGION_IO_FDS", body);
    let (argsz, flags, index, count) = (reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?);
    if argsz < IO_FDS_LEN || flags != 0 || count != 0 {
        return Err(Refused::invalid(format!(
            "DEVICE_GET_REGION_IO_FDS: argsz {argsz}, flags {flags:#x}, count {count}, expected at \
             least 16, 0 and 0"
        )));
    }
    reader.end_padded(IO_FDS_LEN, argsz)?;
    Ok((argsz, index))
}

/// Appends a body of DEVICE_GET_REGION_IO_FDS, request or answer: u32 argsz ([`IO_FDS_LEN`] in an answer),
/// u32 flags, u32 index, u32 count (0: the server offers no descriptors).
pub fn encode_io_fds(argsz: u32, index: u32, out: &mut Vec<u8>) {
    put_words(out, [argsz, 0, index, 0]);
}
