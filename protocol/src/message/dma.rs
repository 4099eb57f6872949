//! The messages DMA_MAP and DMA_UNMAP.

pub use super::dma_transfer::*;
use crate::error::{Errno, Refused};
use crate::wire::{Put, Reader};

/// Flag: the device may read the range.
const READ: u32 = 1;
/// Flag: the device may write the range.
const WRITE: u32 = 2;
/// Flag: the server may map the descriptor into its memory (libvfio-user 2026).
const BY_MAPPING: u32 = 4;
/// Flag: the server may use file I/O on the descriptor (libvfio-user 2026).
const BY_FILE_IO: u32 = 8;
/// Flag of DMA_UNMAP: return the dirty bitmap. The server does not support it.
const GET_DIRTY_BITMAP: u32 = 1;
/// Flag of DMA_UNMAP: unmap everything.
const UNMAP_ALL: u32 = 2;
/// Bytes of the body of DMA_MAP: u32 argsz, u32 flags, u64 offset, u64 iova, u64 size.
const MAP_LEN: u32 = 32;
/// Bytes of the body of DMA_UNMAP: u32 argsz, u32 flags, u64 iova, u64 size.
const UNMAP_LEN: u32 = 24;

/// The access that the client allows the server to a range with a descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DmaAccess {
    /// The flags say nothing: by mapping if a descriptor came along, otherwise by messages.
    #[default]
    Unstated,
    /// By mapping the descriptor, which must come along. File I/O may be allowed too.
    Mapping,
    /// Only by file I/O: the descriptor must come along, and is not mapped.
    FileIo,
}

/// A range to map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaMap {
    /// True if the device may read the range.
    pub readable: bool,
    /// True if the device may write the range.
    pub writable: bool,
    /// The access that the client allows the server.
    pub access: DmaAccess,
    /// Offset of the range in the file of the descriptor.
    pub offset: u64,
    /// First address of the range.
    pub iova: u64,
    /// Size of the range in bytes.
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
    /// Every map inside this range.
    Range {
        /// First address of the range.
        iova: u64,
        /// Size of the range in bytes.
        size: u64,
    },
    /// All maps of the client.
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

    /// Reads an answer. Returns the request, and the number of bytes that were unmapped.
    ///
    /// # Errors
    /// EINVAL: the body has not exactly 24 bytes.
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

    /// Appends the body of the answer: the request again, with the number of bytes that were unmapped (like
    /// the answer of VFIO_IOMMU_UNMAP_DMA).
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
