//! DMA_READ and DMA_WRITE, which the server sends for memory that came without a descriptor, in the
//! two layouts that QEMU has used.

use crate::error::{Errno, Refused};
use crate::header::{Command, Header};
use crate::wire::{Put, Reader};

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
    super::message(out, header, |out| put_transfer(layout, iova, data, out));
}

/// Reads a DMA_READ as a client receives it: the layout, told by the size, iova and count.
pub fn decode_dma_read(body: &[u8]) -> Result<(DmaLayout, u64, u64), Refused> {
    let mut reader = Reader::new("DMA_READ", body);
    let iova = reader.u64()?;
    let (layout, count) = match body.len() {
        12 => (DmaLayout::Narrow, u64::from(reader.u32()?)),
        _ => (DmaLayout::Wide, reader.u64()?),
    };
    reader.end()?;
    Ok((layout, iova, count))
}

/// Appends the reply to a DMA_READ: the request's fields and the data.
pub fn encode_dma_read_reply(
    request: &Header,
    layout: DmaLayout,
    iova: u64,
    data: &[u8],
    out: &mut Vec<u8>,
) {
    super::reply(out, request, |out| put_transfer(layout, iova, data, out));
}

/// Reads a DMA_WRITE as a client receives it: the layout, told by the size, iova and data.
pub fn decode_dma_write(body: &[u8]) -> Result<(DmaLayout, u64, &[u8]), Refused> {
    let mut reader = Reader::new("DMA_WRITE", body);
    let iova = reader.u64()?;
    let (mut wide, mut narrow) = (reader, reader);
    if let Ok(count) = wide.u64()
        && count == wide.rest().len() as u64
    {
        return Ok((DmaLayout::Wide, iova, wide.rest()));
    }
    let count = narrow.u32()?;
    if count as usize == narrow.rest().len() {
        return Ok((DmaLayout::Narrow, iova, narrow.rest()));
    }
    let len = body.len();
    Err(Refused::invalid(format!(
        "DMA_WRITE: a body of {len} bytes does not hold the {count} bytes it tells of"
    )))
}

/// Appends the reply to a DMA_WRITE of `count` bytes: u64 iova and u32 count in the wide layout, as
/// the protocol document has it, and a bare header in the narrow one, as QEMU 10 sends it.
pub fn encode_dma_write_reply(
    request: &Header,
    layout: DmaLayout,
    iova: u64,
    count: u32,
    out: &mut Vec<u8>,
) {
    super::reply(out, request, |out| {
        if layout == DmaLayout::Wide {
            out.put_u64(iova);
            out.put_u32(count);
        }
    });
}

fn put_transfer(layout: DmaLayout, iova: u64, data: &[u8], out: &mut Vec<u8>) {
    out.put_u64(iova);
    match layout {
        DmaLayout::Wide => out.put_u64(data.len() as u64),
        DmaLayout::Narrow => out.put_u32(data.len() as u32),
    }
    out.extend_from_slice(data);
}

#[cfg(test)]
mod tests;
