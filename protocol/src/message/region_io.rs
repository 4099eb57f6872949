//! The messages REGION_READ, REGION_WRITE and REGION_WRITE_MULTI.

use super::envelope::reply;
use crate::error::Refused;
use crate::header::Header;
use crate::limits::{MAX_DATA_XFER_SIZE, MAX_MULTI_WRITES};
use crate::wire::{Put, Reader};

/// Bytes before the data, which are the whole body of a REGION_READ: u64 offset, u32 region, u32 count.
pub const ACCESS_LEN: usize = 16;
/// Bytes reserved for the data of one write in a REGION_WRITE_MULTI.
const MULTI_DATA: usize = 8;

/// A range of bytes in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionAccess {
    /// Offset of the first byte in the region.
    pub offset: u64,
    /// Index of the region.
    pub region: u32,
    /// Number of bytes.
    pub count: u32,
}

impl RegionAccess {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Refused> {
        let [
            o0,
            o1,
            o2,
            o3,
            o4,
            o5,
            o6,
            o7,
            r0,
            r1,
            r2,
            r3,
            c0,
            c1,
            c2,
            c3,
        ] = reader.array()?;
        Ok(Self {
            offset: u64::from_ne_bytes([o0, o1, o2, o3, o4, o5, o6, o7]),
            region: u32::from_ne_bytes([r0, r1, r2, r3]),
            count: u32::from_ne_bytes([c0, c1, c2, c3]),
        })
    }

    fn check(&self, what: &str) -> Result<(), Refused> {
        let Self { offset, count, .. } = *self;
        if count > MAX_DATA_XFER_SIZE {
            return Err(Refused::invalid(format!(
                "{what}: {count} bytes, expected at most {MAX_DATA_XFER_SIZE} in one message"
            )));
        }
        if offset.checked_add(u64::from(count)).is_none() {
            return Err(Refused::invalid(format!(
                "{what}: offset {offset:#x} + {count} overflows"
            )));
        }
        Ok(())
    }

    pub(crate) fn decode(body: &[u8]) -> Result<Self, Refused> {
        let mut reader = Reader::new("REGION_READ", body);
        let access = Self::read(&mut reader)?;
        reader.end()?;
        access.check("REGION_READ")?;
        Ok(access)
    }

    /// Appends u64 offset, u32 region, u32 count.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let [o0, o1, o2, o3, o4, o5, o6, o7] = self.offset.to_ne_bytes();
        let [r0, r1, r2, r3] = self.region.to_ne_bytes();
        let [c0, c1, c2, c3] = self.count.to_ne_bytes();
        out.extend_from_slice(&[
            o0, o1, o2, o3, o4, o5, o6, o7, r0, r1, r2, r3, c0, c1, c2, c3,
        ]);
    }

    /// Reads the reply to a REGION_READ. Returns the range and its data.
    ///
    /// # Errors
    /// EINVAL: the body is not 16 bytes and as many more as its count.
    pub fn decode_read_reply(body: &[u8]) -> Result<(Self, &[u8]), Refused> {
        let mut reader = Reader::new("REGION_READ", body);
        let access = Self::read(&mut reader)?;
        let data = reader.bytes(access.count as usize)?;
        reader.end()?;
        Ok((access, data))
    }

    /// Reads the reply to a REGION_WRITE. Returns the range that was written.
    ///
    /// # Errors
    /// EINVAL: the body has not exactly 16 bytes.
    pub fn decode_write_reply(body: &[u8]) -> Result<Self, Refused> {
        let mut reader = Reader::new("REGION_WRITE", body);
        let access = Self::read(&mut reader)?;
        reader.end()?;
        Ok(access)
    }

    /// Appends the reply to a REGION_READ. `fill` writes the data into zeroed bytes. If `fill` fails, nothing
    /// is appended. Nothing is allocated if `out` has room.
    ///
    /// # Errors
    /// That of `fill`.
    pub fn reply_to_read<E>(
        &self,
        request: &Header,
        out: &mut Vec<u8>,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = out.len();
        let mut filled = Ok(());
        reply(out, request, |out| {
            self.encode(out);
            let data = out.len();
            out.resize(data.saturating_add(self.count as usize), 0);
            filled = fill(out.get_mut(data..).unwrap_or_default());
        });
        if filled.is_err() {
            out.truncate(start);
        }
        filled
    }
}

/// A write to a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionWrite<'a> {
    /// The range to write; `count` is the length of `data`.
    pub access: RegionAccess,
    /// The bytes to write.
    pub data: &'a [u8],
}

impl<'a> RegionWrite<'a> {
    pub(crate) fn decode(body: &'a [u8]) -> Result<Self, Refused> {
        let mut reader = Reader::new("REGION_WRITE", body);
        let access = RegionAccess::read(&mut reader)?;
        access.check("REGION_WRITE")?;
        let data = reader.bytes(access.count as usize)?;
        reader.end()?;
        Ok(Self { access, data })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.access.encode(out);
        out.extend_from_slice(self.data);
    }
}

/// The writes of a REGION_WRITE_MULTI: u64 number, then for each write u64 offset, u32 region, u32 count and
/// 8 bytes of data, of which `count` are used (QEMU's `VFIOUserWRMulti`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultiWrites<'a> {
    items: &'a [u8],
}

/// Bytes of one write in the message.
const ITEM_LEN: usize = ACCESS_LEN + MULTI_DATA;

impl<'a> MultiWrites<'a> {
    /// Reads the body. If a write has 0 bytes or more than 8, the whole message is refused.
    pub(crate) fn decode(body: &'a [u8]) -> Result<Self, Refused> {
        let mut reader = Reader::new("REGION_WRITE_MULTI", body);
        let number = reader.u64()?;
        if number == 0 || number > MAX_MULTI_WRITES {
            return Err(Refused::invalid(format!(
                "REGION_WRITE_MULTI: {number} writes, expected 1..={MAX_MULTI_WRITES}"
            )));
        }
        let items = reader.bytes((number as usize).saturating_mul(ITEM_LEN))?;
        reader.end()?;
        let writes = Self { items };
        for (at, item) in items.chunks_exact(ITEM_LEN).enumerate() {
            if Self::item(item).is_none() {
                return Err(Refused::invalid(format!(
                    "REGION_WRITE_MULTI: write {at} has a count other than 1..=8, or its offset overflows"
                )));
            }
        }
        Ok(writes)
    }

    fn item(item: &'a [u8]) -> Option<RegionWrite<'a>> {
        let mut reader = Reader::new("REGION_WRITE_MULTI", item);
        let access = RegionAccess::read(&mut reader).ok()?;
        access.check("REGION_WRITE_MULTI").ok()?;
        let data = reader
            .rest()
            .get(..access.count as usize)
            .filter(|data| !data.is_empty())?;
        Some(RegionWrite { access, data })
    }

    /// The writes, in order.
    pub fn iter(&self) -> impl Iterator<Item = RegionWrite<'a>> {
        self.items.chunks_exact(ITEM_LEN).filter_map(Self::item)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64((self.items.len() / ITEM_LEN) as u64);
        out.extend_from_slice(self.items);
    }

    /// Reads an answer. Returns the number of writes that were carried out.
    ///
    /// # Errors
    /// EINVAL: the body has not exactly 8 bytes.
    pub fn decode_reply(body: &[u8]) -> Result<u64, Refused> {
        let mut reader = Reader::new("REGION_WRITE_MULTI", body);
        let written = reader.u64()?;
        reader.end()?;
        Ok(written)
    }

    /// Appends the body of the answer: the number of writes that were carried out, as u64.
    pub fn encode_reply(written: u64, out: &mut Vec<u8>) {
        out.put_u64(written);
    }

    /// Number of writes in the message.
    pub fn len(&self) -> usize {
        self.items.len() / ITEM_LEN
    }

    /// Always false, because a message without writes is refused.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Builds the items of a message. Each write has 1..=8 bytes; further bytes are cut off.
    pub fn items(writes: &[RegionWrite<'_>]) -> Vec<u8> {
        let mut items = Vec::new();
        for write in writes {
            let len = write.data.len().min(MULTI_DATA);
            RegionAccess {
                count: len as u32,
                ..write.access
            }
            .encode(&mut items);
            let end = items.len().saturating_add(MULTI_DATA);
            items.extend_from_slice(write.data.get(..len).unwrap_or_default());
            items.resize(end, 0);
        }
        items
    }

    /// Reads the writes in `items`, as [`MultiWrites::items`] builds them.
    pub fn from_items(items: &'a [u8]) -> Self {
        Self { items }
    }
}
