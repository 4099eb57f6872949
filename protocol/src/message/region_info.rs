//! DEVICE_GET_REGION_INFO with its capability chain, and DEVICE_GET_REGION_IO_FDS.

use super::{Request, put_words};
use crate::error::Refused;
use crate::wire::{Put, Reader};

/// Body without capabilities: u32 argsz, u32 flags, u32 index, u32 cap_offset, u64 size, u64 offset.
pub const INFO_LEN: u32 = 32;
/// The region can be read.
pub const FLAG_READ: u32 = 1;
/// The region can be written.
pub const FLAG_WRITE: u32 = 2;
/// Capabilities follow.
const FLAG_CAPS: u32 = 8;
/// VFIO_REGION_INFO_CAP_TYPE: u32 type, u32 subtype.
const CAP_TYPE: u16 = 2;

/// A region of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegionInfo {
    /// Its index.
    pub index: u32,
    /// [`FLAG_READ`], [`FLAG_WRITE`].
    pub flags: u32,
    /// Bytes; 0 for a region that is not there.
    pub size: u64,
    /// Type and subtype of a device-specific region.
    pub kind: Option<(u32, u32)>,
}

pub(super) fn decode_get(body: &[u8]) -> Result<Request<'_>, Refused> {
    let mut reader = Reader::new("DEVICE_GET_REGION_INFO", body);
    let (argsz, _flags, index) = (reader.u32()?, reader.u32()?, reader.u32()?);
    reader.bytes(20)?;
    reader.end()?;
    if argsz < INFO_LEN {
        return Err(Refused::invalid(format!(
            "DEVICE_GET_REGION_INFO: argsz {argsz}, expected at least 32"
        )));
    }
    Ok(Request::DeviceGetRegionInfo { argsz, index })
}

pub(super) fn encode_get(argsz: u32, index: u32, out: &mut Vec<u8>) {
    put_words(out, [argsz, 0, index, 0]);
    out.put_u64(0);
    out.put_u64(0);
}

impl RegionInfo {
    /// Appends the answer for a client with room for `room` bytes; see [`super::DeviceInfo::encode`].
    pub fn encode(&self, room: u32, out: &mut Vec<u8>) {
        // Capability header (u16 id, u16 version, u32 next) and the two words.
        let needed = if self.kind.is_some() {
            INFO_LEN.saturating_add(16)
        } else {
            INFO_LEN
        };
        let capability = self.kind.filter(|_| room >= needed);
        let (caps_flag, cap_offset) = if capability.is_some() {
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
        if let Some((kind, subtype)) = capability {
            out.put_u16(CAP_TYPE);
            out.put_u16(1);
            out.put_u32(0);
            out.put_u32(kind);
            out.put_u32(subtype);
        }
    }

    /// Reads an answer: the region, and the bytes its whole answer takes.
    pub fn decode(body: &[u8]) -> Result<(Self, u32), Refused> {
        let mut reader = Reader::new("DEVICE_GET_REGION_INFO", body);
        let (argsz, flags, index) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let (cap_offset, size, _offset) = (reader.u32()?, reader.u64()?, reader.u64()?);
        let mut kind = None;
        if flags & FLAG_CAPS != 0 {
            let chain = body.get(cap_offset as usize..).unwrap_or_default();
            let mut reader = Reader::new("region capability", chain);
            let (id, _version, _next) = (reader.u16()?, reader.u16()?, reader.u32()?);
            if id == CAP_TYPE {
                kind = Some((reader.u32()?, reader.u32()?));
            }
        }
        Ok((
            Self {
                index,
                flags: flags & !FLAG_CAPS,
                size,
                kind,
            },
            argsz,
        ))
    }
}

pub(super) fn decode_get_io_fds(body: &[u8]) -> Result<Request<'_>, Refused> {
    let mut reader = Reader::new("DEVICE_GET_REGION_IO_FDS", body);
    let (argsz, flags, index, count) = (reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?);
    reader.end()?;
    if argsz < 16 || flags != 0 || count != 0 {
        return Err(Refused::invalid(format!(
            "DEVICE_GET_REGION_IO_FDS: argsz {argsz}, flags {flags:#x}, count {count}, expected at \
             least 16, 0 and 0"
        )));
    }
    Ok(Request::DeviceGetRegionIoFds { argsz, index })
}

/// Appends a DEVICE_GET_REGION_IO_FDS body: u32 argsz, u32 flags, u32 index, u32 count (0: the
/// server offers no descriptors).
pub fn encode_io_fds(argsz: u32, index: u32, out: &mut Vec<u8>) {
    put_words(out, [argsz, 0, index, 0]);
}
