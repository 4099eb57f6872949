//! The messages DMA_READ and DMA_WRITE, in the two layouts that QEMU has used. The server sends them for
//! memory without a descriptor.

use super::envelope::{message, reply};
use crate::error::{Errno, Refused};
use crate::header::{Command, Header};
use crate::wire::{Put, Reader};

/// The client's layout of DMA_READ and DMA_WRITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DmaLayout {
    /// u64 address, u64 count, data: the protocol document, and QEMU 11 or later.
    Wide,
    /// u64 address, u32 count, data.
    Narrow,
    /// Like [`DmaLayout::Narrow`], with 4 bytes after the data: QEMU 10.1 and 10.2. Their C structure ends
    /// with padding, which they count but leave unused.
    NarrowPadded,
}

/// Bytes after the data in [`DmaLayout::NarrowPadded`].
const PADDING: usize = 4;

/// Appends a DMA_READ of 16 bytes in the client's layout, or in the wide layout while that is unknown. On a
/// little-endian host, a narrow client then finds the low half of the count in the right place. On a
/// big-endian host it finds 0, and its reply shows that ([`DmaReadReply::CountZero`]).
pub fn encode_dma_read(
    message_id: u16,
    layout: Option<DmaLayout>,
    iova: u64,
    count: u32,
    out: &mut Vec<u8>,
) {
    let header = Header::command(message_id, Command::DmaRead, 0);
    message(out, header, |out| {
        out.put_u64(iova);
        match layout {
            None | Some(DmaLayout::Wide) => out.put_u64(u64::from(count)),
            Some(DmaLayout::Narrow | DmaLayout::NarrowPadded) => {
                out.put_u32(count);
                out.put_u32(0);
            }
        }
    });
}

/// The reply to DMA_READ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DmaReadReply<'a> {
    /// The client sent the data.
    Data {
        /// The client's layout, if it is known or the reply fits only one. Otherwise `data` is read in the
        /// wide layout.
        layout: Option<DmaLayout>,
        /// The bytes that were read, as many as the request asked for.
        data: &'a [u8],
    },
    /// The client read the count as 0. It has this layout, and must be asked again in it.
    CountZero(DmaLayout),
}

/// Reads the reply to a DMA_READ of `count` bytes. `known` is the client's layout, if it is known.
///
/// # Errors
/// EINVAL: the body is shorter than 12 bytes. EPROTO: it fits no layout, or not `known`, or it is for another
/// address or count.
pub fn decode_dma_read_reply(
    body: &[u8],
    known: Option<DmaLayout>,
    iova: u64,
    count: u32,
) -> Result<DmaReadReply<'_>, Refused> {
    let mut reader = Reader::new("DMA_READ", body);
    let address = reader.u64()?;
    let (mut wide, mut narrow) = (reader, reader);
    let wide_count = wide.u64().ok();
    let narrow_count = narrow.u32()?;
    let matches = |layout: &DmaLayout| {
        let rest = match layout {
            DmaLayout::Wide if wide_count == Some(u64::from(count)) => wide.rest(),
            DmaLayout::Narrow | DmaLayout::NarrowPadded if narrow_count == count => narrow.rest(),
            _ => return None,
        };
        let (data, behind) = rest.split_at_checked(count as usize)?;
        let padding = if *layout == DmaLayout::NarrowPadded {
            PADDING
        } else {
            0
        };
        (behind.len() == padding && behind.iter().all(|byte| *byte == 0)).then_some(data)
    };
    let all = [DmaLayout::Wide, DmaLayout::Narrow, DmaLayout::NarrowPadded];
    let mut fitting = all
        .into_iter()
        .filter(|layout| known.is_none_or(|known| known == *layout))
        .filter_map(|layout| Some((layout, matches(&layout)?)));
    if address == iova {
        match (fitting.next(), fitting.next()) {
            (Some((layout, data)), None) => {
                let layout = Some(layout);
                return Ok(DmaReadReply::Data { layout, data });
            }
            (Some((_, data)), Some(_)) => return Ok(DmaReadReply::Data { layout: None, data }),
            (None, _) if known.is_none() && narrow_count == 0 => match body.len() {
                12 => return Ok(DmaReadReply::CountZero(DmaLayout::Narrow)),
                16 => return Ok(DmaReadReply::CountZero(DmaLayout::NarrowPadded)),
                _ => {}
            },
            (None, _) => {}
        }
    }
    let len = body.len();
    Err(Refused::new(
        Errno::EPROTO,
        format!(
            "DMA_READ: the reply has {len} bytes and names {narrow_count} bytes at {address:#x}, expected {count} bytes at {iova:#x}"
        ),
    ))
}

/// Appends a DMA_WRITE in the client's layout. The reply is a bare header or the request's first fields; only
/// its header counts.
pub fn encode_dma_write(
    message_id: u16,
    layout: DmaLayout,
    iova: u64,
    data: &[u8],
    out: &mut Vec<u8>,
) {
    let header = Header::command(message_id, Command::DmaWrite, 0);
    message(out, header, |out| put_transfer(layout, iova, data, out));
}

/// Reads a DMA_READ as a client receives it. Returns the layout (which follows from the size), iova and
/// count.
///
/// # Errors
/// EINVAL: the body has neither 12 nor 16 bytes.
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

/// Appends the reply to DMA_READ: the request's fields and the data.
pub fn encode_dma_read_reply(
    request: &Header,
    layout: DmaLayout,
    iova: u64,
    data: &[u8],
    out: &mut Vec<u8>,
) {
    reply(out, request, |out| put_transfer(layout, iova, data, out));
}

/// Reads a DMA_WRITE as a client receives it. Returns the layout (which follows from the size), iova and
/// data.
///
/// # Errors
/// EINVAL: the body is too short for the count that it announces, or longer in no known layout.
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
    let rest = narrow.rest();
    if count as usize == rest.len() {
        return Ok((DmaLayout::Narrow, iova, rest));
    }
    if let Some((data, [0, 0, 0, 0])) = rest.split_at_checked(count as usize) {
        return Ok((DmaLayout::NarrowPadded, iova, data));
    }
    let len = body.len();
    Err(Refused::invalid(format!(
        "DMA_WRITE: a body of {len} bytes does not hold the {count} bytes that it announces"
    )))
}

/// Appends the reply to a DMA_WRITE of `count` bytes: u64 iova and u32 count in the wide layout, as in the
/// protocol document, and a bare header in the narrow layout, as QEMU 10 sends it.
pub fn encode_dma_write_reply(
    request: &Header,
    layout: DmaLayout,
    iova: u64,
    count: u32,
    out: &mut Vec<u8>,
) {
    reply(out, request, |out| {
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
        DmaLayout::Narrow | DmaLayout::NarrowPadded => out.put_u32(data.len() as u32),
    }
    out.extend_from_slice(data);
    if layout == DmaLayout::NarrowPadded {
        out.extend_from_slice(&[0; PADDING]);
    }
}

#[cfg(test)]
mod tests;
