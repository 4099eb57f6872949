//! DMA_MAP and DMA_UNMAP.

pub use super::dma_transfer::*;
use crate::error::{Errno, Refused};
use crate::wire::{Put, Reader};

/// The device may read the range.
const READ: u32 = 1;
/// The device may write the range.
const WRITE: u32 = 2;
/// The server may map the descriptor into its memory (libvfio-user 2026).
const BY_MAPPING: u32 = 4;
/// The server may use file I/O on the descriptor (libvfio-user 2026).
const BY_FILE_IO: u32 = 8;
/// DMA_UNMAP: return the dirty bitmap. Not supported.
const GET_DIRTY_BITMAP: u32 = 1;
/// DMA_UNMAP: everything.
const UNMAP_ALL: u32 = 2;
/// Body of DMA_MAP: u32 argsz, u32 flags, u64 offset, u64 iova, u64 size.
const MAP_LEN: u32 = 32;
/// Body of DMA_UNMAP: u32 argsz, u32 flags, u64 iova, u64 size.
const UNMAP_LEN: u32 = 24;

/// The way in which the client allows the server to reach a range that has a descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DmaAccess {
    /// No access flag: by mapping if a descriptor came along, by messages if not.
    #[default]
    Unstated,
    /// By mapping the descriptor, which must be there. File I/O may be allowed as well.
    Mapping,
    /// By file I/O only: the descriptor must be there and is not mapped.
    FileIo,
}

/// A range to map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaMap {
    /// The device may read it.
    pub readable: bool,
    /// The device may write it.
    pub writable: bool,
    /// The way in which the server may reach it.
    pub access: DmaAccess,
    /// Offset in the file of the descriptor that came along.
    pub offset: u64,
    /// First iova.
    pub iova: u64,
    /// Bytes.
    pub size: u64,
}

impl DmaMap {
    pub(crate) fn decode(body: &[u8]) -> Result<Self, Refused> {
        let mut reader = Reader::new("DMA_MAP", body);
        let (argsz, flags) = (reader.u32()?, reader.u32()?);
        let (offset, iova, size) = (reader.u64()?, reader.u64()?, reader.u64()?);
        reader.end()?;
        check_argsz("DMA_MAP", argsz, MAP_LEN)?;
        let known = READ | WRITE | BY_MAPPING | BY_FILE_IO;
        if flags & !known != 0 || flags & (READ | WRITE) == 0 {
            return Err(Refused::invalid(format!(
                "DMA_MAP: flags {flags:#x}, expected read (1), write (2) or both, and perhaps \
                 mapping (4), file I/O (8) or both"
            )));
        }
        let access = match (flags & BY_MAPPING != 0, flags & BY_FILE_IO != 0) {
            (true, _) => DmaAccess::Mapping,
            (false, true) => DmaAccess::FileIo,
            (false, false) => DmaAccess::Unstated,
        };
        check_range("DMA_MAP", iova, size)?;
        if offset.checked_add(size).is_none() {
            return Err(Refused::invalid(format!(
                "DMA_MAP: file offset {offset:#x} + size {size:#x} overflows"
            )));
        }
        let (readable, writable) = (flags & READ != 0, flags & WRITE != 0);
        Ok(Self {
            readable,
            writable,
            access,
            offset,
            iova,
            size,
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32(MAP_LEN);
        let readable = if self.readable { READ } else { 0 };
        let writable = if self.writable { WRITE } else { 0 };
        let access = match self.access {
            DmaAccess::Unstated => 0,
            DmaAccess::Mapping => BY_MAPPING,
            DmaAccess::FileIo => BY_FILE_IO,
        };
        out.put_u32(readable | writable | access);
        [self.offset, self.iova, self.size]
            .into_iter()
            .for_each(|word| out.put_u64(word));
    }
}

/// A range to unmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DmaUnmap {
    /// Every map inside these bytes.
    Range {
        /// First iova.
        iova: u64,
        /// Bytes.
        size: u64,
    },
    /// Every map there is.
    All,
}

impl DmaUnmap {
    pub(crate) fn decode(body: &[u8]) -> Result<Self, Refused> {
        let mut reader = Reader::new("DMA_UNMAP", body);
        let (argsz, flags) = (reader.u32()?, reader.u32()?);
        let (iova, size) = (reader.u64()?, reader.u64()?);
        if flags == GET_DIRTY_BITMAP {
            return Err(Refused::new(
                Errno::EOPNOTSUPP,
                "DMA_UNMAP: the server keeps no dirty bitmap, expected no request for one",
            ));
        }
        reader.end()?;
        check_argsz("DMA_UNMAP", argsz, UNMAP_LEN)?;
        match flags {
            0 => {
                check_range("DMA_UNMAP", iova, size)?;
                Ok(DmaUnmap::Range { iova, size })
            }
            UNMAP_ALL if iova == 0 && size == 0 => Ok(DmaUnmap::All),
            UNMAP_ALL => Err(Refused::invalid(format!(
                "DMA_UNMAP: all, with iova {iova:#x} and size {size:#x}, expected 0 and 0"
            ))),
            _ => Err(Refused::invalid(format!(
                "DMA_UNMAP: flags {flags:#x}, expected 0 or all (2)"
            ))),
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let (flags, iova, size) = match self {
            DmaUnmap::Range { iova, size } => (0, *iova, *size),
            DmaUnmap::All => (UNMAP_ALL, 0, 0),
        };
        out.put_u32(UNMAP_LEN);
        out.put_u32(flags);
        out.put_u64(iova);
        out.put_u64(size);
    }

    /// Reads an answer: what was asked for, and the bytes that were unmapped.
    pub fn decode_reply(body: &[u8]) -> Result<(Self, u64), Refused> {
        let mut reader = Reader::new("DMA_UNMAP", body);
        let (_argsz, flags) = (reader.u32()?, reader.u32()?);
        let (iova, size) = (reader.u64()?, reader.u64()?);
        reader.end()?;
        let unmap = match flags {
            UNMAP_ALL => DmaUnmap::All,
            _ => DmaUnmap::Range { iova, size },
        };
        Ok((unmap, size))
    }

    /// Appends the body of the answer: the request again, with the bytes that were unmapped (as
    /// VFIO_IOMMU_UNMAP_DMA answers).
    pub fn encode_reply(&self, unmapped: u64, out: &mut Vec<u8>) {
        let (flags, iova) = match self {
            DmaUnmap::Range { iova, .. } => (0, *iova),
            DmaUnmap::All => (UNMAP_ALL, 0),
        };
        out.put_u32(UNMAP_LEN);
        out.put_u32(flags);
        out.put_u64(iova);
        out.put_u64(unmapped);
    }
}

fn check_argsz(what: &str, argsz: u32, expected: u32) -> Result<(), Refused> {
    if argsz < expected {
        return Err(Refused::invalid(format!(
            "{what}: argsz {argsz}, expected {expected}"
        )));
    }
    Ok(())
}

fn check_range(what: &str, iova: u64, size: u64) -> Result<(), Refused> {
    let last = size
        .checked_sub(1)
        .and_then(|above| iova.checked_add(above));
    if last.is_none() {
        return Err(Refused::invalid(format!(
            "{what}: iova {iova:#x} with size {size:#x} is empty or passes the end"
        )));
    }
    Ok(())
}
