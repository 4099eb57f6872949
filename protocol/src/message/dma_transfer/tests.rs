use super::*;

use DmaLayout::{Narrow, NarrowPadded, Wide};

fn transfer(layout: DmaLayout, iova: u64, data: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_u64(iova);
    match layout {
        Wide => body.put_u64(data.len() as u64),
        Narrow | NarrowPadded => body.put_u32(data.len() as u32),
    }
    body.extend(data);
    if layout == NarrowPadded {
        body.extend([0; 4]);
    }
    body
}

fn decode(body: &[u8], iova: u64, count: u32) -> Result<DmaReadReply<'_>, Refused> {
    decode_dma_read_reply(body, None, iova, count)
}

fn data(layout: Option<DmaLayout>, data: &[u8]) -> DmaReadReply<'_> {
    DmaReadReply::Data { layout, data }
}

#[test]
fn a_read_reply_tells_the_layout() {
    for layout in [Wide, Narrow, NarrowPadded] {
        let body = transfer(layout, 0x1000, &[7; 8]);
        let expected = data(Some(layout), &[7; 8]);
        assert_eq!(decode(&body, 0x1000, 8).unwrap(), expected);
        let known = decode_dma_read_reply(&body, Some(layout), 0x1000, 8);
        assert_eq!(known.unwrap(), expected);
        for (iova, count) in [(0x2000, 8), (0x1000, 7), (0x1000, 9)] {
            let error = decode(&body, iova, count).unwrap_err();
            assert_eq!(error.errno, Errno::EPROTO, "{layout:?} {iova:#x} {count}");
        }
        // A wide or padded reply that is 4 bytes short is a narrow one.
        for len in (0..body.len()).filter(|len| *len != 12 + 8) {
            let reply = decode(&body[..len], 0x1000, 8);
            // On a big-endian host, the first half of a wide count looks like the zero of a narrow client.
            let zero = cfg!(target_endian = "big") && layout == Wide && matches!(len, 12 | 16);
            let is_zero = matches!(reply, Ok(DmaReadReply::CountZero(_)));
            assert!(
                is_zero == zero && (zero || reply.is_err()),
                "{layout:?} {len}"
            );
        }
    }
}

#[test]
fn a_known_layout_is_the_only_one() {
    for layout in [Wide, Narrow, NarrowPadded] {
        let body = transfer(layout, 0x1000, &[7; 8]);
        for known in [Wide, Narrow, NarrowPadded] {
            let reply = decode_dma_read_reply(&body, Some(known), 0x1000, 8);
            assert_eq!(reply.is_ok(), known == layout, "{layout:?} as {known:?}");
        }
    }
}

/// On a big-endian host the two layouts differ in the count, wherever the zeros are.
#[test]
#[cfg(target_endian = "little")]
fn zeros_at_the_ends_leave_it_open_whether_a_reply_is_wide_or_padded() {
    for (layout, bytes, known) in [
        (Wide, [1, 2, 3, 4, 5, 0, 0, 0, 0], false),
        (Wide, [0; 9], false),
        (Wide, [0, 0, 0, 0, 0, 0, 0, 0, 1], true),
        (NarrowPadded, [0; 9], false),
        (NarrowPadded, [0, 0, 0, 0, 5, 6, 7, 8, 9], false),
        (NarrowPadded, [0, 0, 0, 1, 0, 0, 0, 0, 0], true),
    ] {
        let body = transfer(layout, 0x1000, &bytes);
        let reply = decode(&body, 0x1000, 9).unwrap();
        if known {
            assert_eq!(reply, data(Some(layout), &bytes));
        } else {
            assert_eq!(reply, data(None, &body[16..]));
        }
    }
}

#[test]
fn a_client_that_read_a_count_of_zero_is_narrow() {
    for (layout, len) in [(Narrow, 12), (NarrowPadded, 16)] {
        let mut body = transfer(Narrow, 0x1000, &[]);
        body.resize(len, 0);
        let reply = decode(&body, 0x1000, 8).unwrap();
        assert_eq!(reply, DmaReadReply::CountZero(layout));
        // This reply answers a request that was already repeated.
        let again = decode_dma_read_reply(&body, Some(layout), 0x1000, 8);
        assert!(again.is_err());
    }
}

#[test]
fn a_narrow_client_finds_the_count_of_a_read_in_its_layout() {
    for layout in [Narrow, NarrowPadded] {
        let mut out = Vec::new();
        encode_dma_read(5, Some(layout), 0x1000, 8, &mut out);
        // QEMU 10 accepts no request shorter than its structure with padding.
        assert_eq!(out.len(), 32);
        let first = decode_dma_read(&out[16..28]).unwrap();
        assert_eq!(first, (Narrow, 0x1000, 8));
    }
}

#[test]
fn a_read_before_the_layout_is_known_is_a_wide_one() {
    let mut out = Vec::new();
    encode_dma_read(5, None, 0x1000, 8, &mut out);
    assert_eq!(out.len(), 32);
    assert_eq!(decode_dma_read(&out[16..]).unwrap(), (Wide, 0x1000, 8));
    // A client that knows only a 4-byte count reads the first 12 bytes of the body.
    #[cfg(target_endian = "little")]
    assert_eq!(decode_dma_read(&out[16..28]).unwrap(), (Narrow, 0x1000, 8));
    for len in [0, 8, 11, 13, 15] {
        assert!(decode_dma_read(&out[16..16 + len]).is_err(), "{len}");
    }
}

#[test]
fn writes_go_both_ways_in_every_layout() {
    for layout in [Wide, Narrow, NarrowPadded] {
        for data in [&[9][..], &[2; 5], &[3; 64]] {
            let mut out = Vec::new();
            encode_dma_write(6, layout, 0x1000, data, &mut out);
            assert_eq!(out[16..], transfer(layout, 0x1000, data));
            let back = decode_dma_write(&out[16..]);
            assert_eq!(back.unwrap(), (layout, 0x1000, data));
            out.push(0);
            assert!(decode_dma_write(&out[16..]).is_err());
        }
    }
}

#[test]
fn replies_of_a_client_are_those_of_its_layout() {
    let request = Header::command(9, Command::DmaWrite, 40);
    for (layout, len) in [(Wide, 28), (Narrow, 16), (NarrowPadded, 16)] {
        let mut out = Vec::new();
        encode_dma_write_reply(&request, layout, 0x1000, 8, &mut out);
        assert_eq!(out.len(), len);
        let mut out = Vec::new();
        encode_dma_read_reply(&request, layout, 0x1000, &[5; 8], &mut out);
        let header = Header::decode(out.first_chunk().unwrap());
        assert_eq!(header.message_size as usize, out.len());
        let reply = decode(&out[16..], 0x1000, 8).unwrap();
        assert_eq!(reply, data(Some(layout), &[5; 8]));
    }
}
