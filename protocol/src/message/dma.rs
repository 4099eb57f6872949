//! DMA_MAP, DMA_UNMAP; DMA_READ and DMA_WRITE, which the server sends for memory that came without
//! a descriptor.

use crate::error::{Errno, Refused};
use crate::header::{Command, Header};
use crate::wire::{Put, Reader};

/// The device may read the range.
const READ: u32 = 1;
/// The device may write the range.
const WRITE: u32 = 2;
/// DMA_UNMAP: return the dirty bitmap. Not supported.
const GET_DIRTY_BITMAP: u32 = 1;
/// DMA_UNMAP: everything.
const UNMAP_ALL: u32 = 2;
/// Body of DMA_MAP: u32 argsz, u32 flags, u64 offset, u64 iova, u64 size.
const MAP_LEN: u32 = 32;
/// Body of DMA_UNMAP: u32 argsz, u32 flags, u64 iova, u64 size.
const UNMAP_LEN: u32 = 24;

/// A range to map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaMap {
    /// The device may read it.
    pub readable: bool,
    /// The device may write it.
    pub writable: bool,
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
        if flags & !(READ | WRITE) != 0 || flags == 0 {
            return Err(Refused::invalid(format!(
                "DMA_MAP: flags {flags:#x}, expected read (1), write (2) or both"
            )));
        }
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
            offset,
            iova,
            size,
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32(MAP_LEN);
        let readable = if self.readable { READ } else { 0 };
        let writable = if self.writable { WRITE } else { 0 };
        out.put_u32(readable | writable);
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
        if flags & GET_DIRTY_BITMAP != 0 {
            return Err(Refused::new(
                Errno::EOPNOTSUPP,
                "DMA_UNMAP: dirty bitmaps are not kept",
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

/// How the client frames DMA_READ and DMA_WRITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DmaLayout {
    /// u64 address, u64 count, data: the protocol document, and QEMU 11 on.
    Wide,
    /// u64 address, u32 count, data: QEMU 10.1 and 10.2.
    Narrow,
}

/// Appends a DMA_READ. The wide layout is understood by both kinds of client on a little-endian
/// host: a client that expects a 4-byte count finds its low half there.
pub fn encode_dma_read(message_id: u16, iova: u64, count: u32, out: &mut Vec<u8>) {
    let header = Header::command(message_id, Command::DmaRead, 0);
    super::message(out, header, |out| {
        out.put_u64(iova);
        out.put_u64(u64::from(count));
    });
}

/// Reads the reply to a DMA_READ of `count` bytes: the client's layout, told by the size, and the data.
pub fn decode_dma_read_reply(
    body: &[u8],
    iova: u64,
    count: u32,
) -> Result<(DmaLayout, &[u8]), Refused> {
    let wanted = count as usize;
    let layout = match body.len().checked_sub(wanted) {
        Some(16) => DmaLayout::Wide,
        Some(12) => DmaLayout::Narrow,
        _ => {
            let len = body.len();
            return Err(Refused::new(
                Errno::EPROTO,
                format!("DMA_READ: a reply body of {len} bytes for {count} bytes of data"),
            ));
        }
    };
    let mut reader = Reader::new("DMA_READ", body);
    let address = reader.u64()?;
    let answered = match layout {
        DmaLayout::Wide => reader.u64()?,
        DmaLayout::Narrow => u64::from(reader.u32()?),
    };
    if address != iova || answered != u64::from(count) {
        return Err(Refused::new(
            Errno::EPROTO,
            format!(
                "DMA_READ: the reply is for {answered} bytes at {address:#x}, asked for {count} at {iova:#x}"
            ),
        ));
    }
    Ok((layout, reader.rest()))
}

/// Appends a DMA_WRITE in the client's layout. The reply, a bare header or the request's first
/// fields, is judged by its header alone.
pub fn encode_dma_write(
    message_id: u16,
    layout: DmaLayout,
    iova: u64,
    data: &[u8],
    out: &mut Vec<u8>,
) {
    let header = Header::command(message_id, Command::DmaWrite, 0);
    super::message(out, header, |out| {
        out.put_u64(iova);
        match layout {
            DmaLayout::Wide => out.put_u64(data.len() as u64),
            DmaLayout::Narrow => out.put_u32(data.len() as u32),
        }
        out.extend_from_slice(data);
    });
}

/// Reads a DMA_READ or the front of a DMA_WRITE, wide, as a client receives it: iova, count, data.
pub fn decode_dma_request(body: &[u8]) -> Result<(u64, u64, &[u8]), Refused> {
    let mut reader = Reader::new("DMA_READ or DMA_WRITE", body);
    Ok((reader.u64()?, reader.u64()?, reader.rest()))
}
