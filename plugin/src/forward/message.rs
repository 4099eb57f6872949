// SPDX-License-Identifier: GPL-2.0-or-later
//! The messages of an instruction: one for a store, two for a load.
//!
//! A store is a REGION_WRITE to the request area of the zPCI I/O region, with the bytes after the request. A
//! load is a REGION_WRITE of the request and a REGION_READ of the register image. See `docs/protocol.md`.

use vfio_user_protocol::message::{RegionAccess, Request};
use vfio_user_protocol::{Command, HEADER_LEN, Header};
use zpci_region::request::{
    self, Op, REGION_INDEX, REQUEST_LEN, REQUEST_OFFSET, RESULT_LEN, RESULT_OFFSET,
};

/// Bytes before the data of a store: header, access, request.
pub(crate) const STORE_PREFIX: usize = HEADER_LEN + ACCESS_LEN + REQUEST_LEN;

/// Bytes of an access: u64 offset, u32 region, u32 count.
const ACCESS_LEN: usize = 16;

/// Address space, offset and length of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Address space: the number of a BAR.
    pub pcias: u8,
    /// Offset in the address space.
    pub offset: u64,
    pub length: u16,
}

/// Begins the message of a store. The caller appends `place.length` bytes.
pub(crate) fn begin_store(out: &mut Vec<u8>, id: u16, op: Op, place: Place) {
    out.clear();
    request(out, id, op, place, usize::from(place.length));
}

/// Appends the messages of a load, with the ids `id` and `id + 1`.
pub(crate) fn load(out: &mut Vec<u8>, id: u16, place: Place) {
    out.clear();
    request(out, id, Op::Load, place, 0);
    let result = RegionAccess {
        offset: RESULT_OFFSET,
        region: REGION_INDEX,
        count: RESULT_LEN as u32,
    };
    Request::RegionRead(result).encode(id.wrapping_add(1), 0, out);
}

fn request(out: &mut Vec<u8>, id: u16, op: Op, place: Place, appended: usize) {
    // The size is at most a few KiB, because the length of a store has 16 bits.
    let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    let header = Header::command(id, Command::RegionWrite, size(STORE_PREFIX + appended));
    out.extend_from_slice(&header.encode());
    RegionAccess {
        offset: REQUEST_OFFSET,
        region: REGION_INDEX,
        count: size(REQUEST_LEN + appended),
    }
    .encode(out);
    request::Request {
        op,
        gaddr: 0, // the bytes are in the message
        offset: place.offset,
        len: place.length,
        pcias: place.pcias,
        payload: None, // appended by the caller
    }
    .encode_into(out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use vfio_user_protocol::message::RegionWrite;
    use vfio_user_protocol::{Limits, Next, next_frame};

    const PLACE: Place = Place {
        pcias: 2,
        offset: 0x0001_0203_0405_0607,
        length: 5,
    };

    fn frames(bytes: &[u8]) -> Vec<(Header, Vec<u8>)> {
        let mut frames = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let Ok(Next::Frame(frame)) = next_frame(&bytes[at..], &Limits::default()) else {
                panic!("not whole messages: {bytes:?}");
            };
            frames.push((frame.header, frame.body.to_vec()));
            at += frame.total;
        }
        frames
    }

    #[test]
    fn a_store_is_one_message_with_its_bytes_behind_the_request() {
        for (op, flags) in [(Op::StoreBlock, 2_u64), (Op::Store, 4)] {
            let mut out = vec![9; 3];
            begin_store(&mut out, 7, op, PLACE);
            assert_eq!(out.len(), STORE_PREFIX);
            out.extend([1, 2, 3, 4, 5]);
            let frames = frames(&out);
            assert_eq!(frames.len(), 1);
            let (header, body) = &frames[0];
            assert_eq!((header.message_id, header.flags), (7, 0));
            let Ok(Request::RegionWrite(RegionWrite { access, data })) =
                Request::decode(header, body)
            else {
                panic!("{body:?}");
            };
            assert_eq!((access.region, access.offset), (9, 16));
            let mut expected = flags.to_ne_bytes().to_vec();
            expected.extend([0; 8]);
            expected.extend(0x0001_0203_0405_0607_u64.to_ne_bytes());
            expected.extend([0; 4]);
            expected.extend(5_u16.to_ne_bytes());
            expected.extend([2, 0, 1, 2, 3, 4, 5]);
            assert_eq!(data, expected);
        }
    }

    #[test]
    fn a_load_is_a_request_and_a_read_of_the_register_image() {
        let mut out = Vec::new();
        load(&mut out, u16::MAX, PLACE);
        let frames = frames(&out);
        assert_eq!(frames.len(), 2);
        let (header, body) = &frames[0];
        let Ok(Request::RegionWrite(write)) = Request::decode(header, body) else {
            panic!("{body:?}");
        };
        assert_eq!(write.data[..8], 1_u64.to_ne_bytes());
        assert_eq!(write.data.len(), 32);
        let (header, body) = &frames[1];
        assert_eq!(header.message_id, 0);
        assert_eq!(
            Request::decode(header, body),
            Ok(Request::RegionRead(RegionAccess {
                offset: 48,
                region: 9,
                count: 8
            }))
        );
    }
}
