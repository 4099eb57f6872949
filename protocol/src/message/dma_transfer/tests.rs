use super::*;

fn transfer(layout: DmaLayout, iova: u64, data: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_u64(iova);
    match layout {
        DmaLayout::Wide => body.put_u64(data.len() as u64),
        DmaLayout::Narrow => body.put_u32(data.len() as u32),
    }
    body.extend(data);
    body
}

#[test]
fn the_layout_of_a_read_reply_is_told_by_its_size() {
    for layout in [DmaLayout::Wide, DmaLayout::Narrow] {
        let body = transfer(layout, 0x1000, &[7; 8]);
        assert_eq!(
            decode_dma_read_reply(&body, 0x1000, 8).unwrap(),
            (layout, &[7u8; 8][..])
        );
        for (iova, count) in [(0x2000, 8), (0x1000, 7), (0x1000, 9)] {
            let error = decode_dma_read_reply(&body, iova, count).unwrap_err();
            assert_eq!(error.errno, Errno::EPROTO, "{layout:?} {iova:#x} {count}");
        }
        // 4 bytes short, a wide reply is a narrow one: only the size tells them apart.
        for len in (0..body.len()).filter(|len| *len != 12 + 8) {
            assert!(decode_dma_read_reply(&body[..len], 0x1000, 8).is_err());
        }
    }
}

#[test]
fn a_narrow_client_finds_the_count_of_a_wide_read() {
    let mut out = Vec::new();
    encode_dma_read(5, 0x1000, 8, &mut out);
    assert_eq!(out.len(), 32);
    assert_eq!(
        decode_dma_read(&out[16..]).unwrap(),
        (DmaLayout::Wide, 0x1000, 8)
    );
    // A client that knows a 4-byte count only reads the first 12 bytes of the body.
    #[cfg(target_endian = "little")]
    assert_eq!(
        decode_dma_read(&out[16..28]).unwrap(),
        (DmaLayout::Narrow, 0x1000, 8)
    );
    for len in [0, 8, 11, 13, 15] {
        assert!(decode_dma_read(&out[16..16 + len]).is_err(), "{len}");
    }
}

#[test]
fn writes_go_both_ways_in_both_layouts() {
    for layout in [DmaLayout::Wide, DmaLayout::Narrow] {
        for data in [&[][..], &[1], &[2; 4], &[3; 64]] {
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
    for (layout, len) in [(DmaLayout::Wide, 28), (DmaLayout::Narrow, 16)] {
        let mut out = Vec::new();
        encode_dma_write_reply(&request, layout, 0x1000, 8, &mut out);
        assert_eq!(out.len(), len);
        let mut out = Vec::new();
        encode_dma_read_reply(&request, layout, 0x1000, &[5; 8], &mut out);
        let header = Header::decode(out.first_chunk().unwrap());
        assert_eq!(header.message_size as usize, out.len());
        assert_eq!(
            decode_dma_read_reply(&out[16..], 0x1000, 8).unwrap(),
            (layout, &[5u8; 8][..])
        );
    }
}
