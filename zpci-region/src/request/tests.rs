use proptest::prelude::*;

use super::{
    Carrier, CarrierPolicy, Op, Request, RequestError, read, read_header, region_size,
    register_image,
};

/// Builds a request from its fields, by hand.
fn raw(flags: u64, gaddr: u64, offset: u64, len: u16, pcias: u8, appended: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 32];
    bytes[0..8].copy_from_slice(&flags.to_ne_bytes());
    bytes[8..16].copy_from_slice(&gaddr.to_ne_bytes());
    bytes[16..24].copy_from_slice(&offset.to_ne_bytes());
    bytes[28..30].copy_from_slice(&len.to_ne_bytes());
    bytes[30] = pcias;
    bytes.extend(appended);
    bytes
}

fn errno(offset: u64, bytes: &[u8]) -> u32 {
    Request::parse(offset, bytes).unwrap_err().failure().errno()
}

const EIO: u32 = 5;
const EFAULT: u32 = 14;
const EINVAL: u32 = 22;

#[test]
fn a_store_block_is_understood() {
    let bytes = raw(2, 0x7f00_1000, 0x1_0000_0020, 11, 0, b"");
    let request = Request::parse(16, &bytes).unwrap();
    assert_eq!(
        request,
        Request {
            op: Op::StoreBlock,
            gaddr: 0x7f00_1000,
            offset: 0x1_0000_0020,
            len: 11,
            pcias: 0,
            payload: None
        }
    );
    let bytes = raw(2, 0, 8, 5, 2, b"hello");
    assert_eq!(
        Request::parse(16, &bytes).unwrap().payload,
        Some(&b"hello"[..])
    );
}

#[test]
fn a_load_is_understood() {
    let bytes = raw(1, 0x2000, 8, 8, 2, b"");
    let request = Request::parse(16, &bytes).unwrap();
    assert_eq!(
        (request.op, request.len, request.payload),
        (Op::Load, 8, None)
    );
}

#[test]
fn a_register_store_is_understood() {
    let bytes = raw(4, 0x2000, 12, 4, 2, b"\0\0\0\x08");
    let request = Request::parse(16, &bytes).unwrap();
    assert_eq!(
        (request.op, request.offset, request.len, request.payload),
        (Op::Store, 12, 4, Some(&[0, 0, 0, 8][..]))
    );
    assert_eq!(request.encode(), bytes);
}

#[test]
fn a_register_store_has_its_bytes_in_one_doubleword_and_with_it() {
    for (offset, len, good) in [
        (0, 8, true),
        (7, 1, true),
        (4, 4, true),
        (u64::MAX, 1, true),
        (0, 9, false),
        (1, 8, false),
        (7, 2, false),
        (u64::MAX, 2, false),
        (0, u16::MAX, false),
    ] {
        let bytes = raw(4, 0, offset, len, 2, &vec![0; len.into()]);
        let parsed = Request::parse(16, &bytes).map(|request| request.op);
        if good {
            assert_eq!(parsed, Ok(Op::Store));
        } else {
            assert_eq!(parsed, Err(RequestError::NoRegisterStore { offset, len }));
        }
    }
    for appended in [0, 7, 9] {
        let bytes = raw(4, 0, 0, 8, 2, &vec![0; appended]);
        assert_eq!(errno(16, &bytes), EINVAL, "{appended}");
    }
}

#[test]
fn a_register_store_is_taken_under_every_carrier() {
    let bytes = raw(4, 0x2000, 0, 8, 2, &[0; 8]);
    let request = Request::parse(16, &bytes).unwrap();
    for policy in [
        CarrierPolicy::Auto,
        CarrierPolicy::Appended,
        CarrierPolicy::Iova,
        CarrierPolicy::Process,
    ] {
        assert_eq!(policy.choose(&request, |_, _| true), Ok(Carrier::Appended));
    }
}

#[test]
fn reserved_fields_are_ignored() {
    let mut bytes = raw(1, 0, 8, 8, 2, b"");
    bytes[24..28].fill(0xff);
    bytes[31] = 0xff;
    assert!(Request::parse(16, &bytes).is_ok());
}

#[test]
fn encode_is_the_layout_of_the_series() {
    let request = Request {
        op: Op::StoreBlock,
        gaddr: 0x1122_3344_5566_7788,
        offset: 0x99aa_bbcc_ddee_ff00,
        len: 3,
        pcias: 2,
        payload: Some(&[7, 8, 9]),
    };
    let expected = raw(
        2,
        0x1122_3344_5566_7788,
        0x99aa_bbcc_ddee_ff00,
        3,
        2,
        &[7, 8, 9],
    );
    assert_eq!(request.encode(), expected);
    let load = Request {
        op: Op::Load,
        payload: None,
        ..request
    };
    assert_eq!(load.encode()[..8], 1u64.to_ne_bytes());
    assert_eq!(load.encode().len(), 32);
}

#[test]
fn writes_that_are_no_whole_request_are_refused() {
    let bytes = raw(2, 0, 8, 8, 2, b"");
    assert_eq!(errno(0, &bytes), EFAULT);
    assert_eq!(errno(15, &bytes), EFAULT);
    for len in 0..32 {
        assert_eq!(errno(16, &bytes[..len]), EINVAL, "{len}");
    }
    for offset in [17, 24, 40, 47, 48, 49, 4096, u64::MAX] {
        assert_eq!(errno(offset, &bytes), EINVAL, "{offset}");
    }
    assert_eq!(
        Request::parse(24, &bytes[..8]).unwrap_err().to_string(),
        "write of 8 bytes at offset 24 of the zPCI I/O region: a request is written whole, at least 32 bytes at offset 16"
    );
}

#[test]
fn flags_must_name_one_instruction() {
    for flags in [0, 8, 1 << 63] {
        assert_eq!(errno(16, &raw(flags, 0, 8, 8, 2, b"")), EIO, "{flags:#x}");
    }
    for flags in [3, 5, 6, 7, 2 | 1 << 63] {
        assert_eq!(
            errno(16, &raw(flags, 0, 8, 8, 2, b"")),
            EINVAL,
            "{flags:#x}"
        );
    }
}

#[test]
fn a_length_of_zero_is_refused() {
    for flags in [1, 2, 4] {
        let error = Request::parse(16, &raw(flags, 0, 8, 0, 2, b"")).map(|_| ());
        assert_eq!(error, Err(RequestError::Empty));
        assert_eq!(errno(16, &raw(flags, 0, 8, 0, 2, b"x")), EINVAL);
    }
}

#[test]
fn a_payload_has_exactly_the_length_of_its_store() {
    for appended in [1, 7, 9, 100] {
        assert_eq!(
            errno(16, &raw(2, 0, 8, 8, 2, &vec![0; appended])),
            EINVAL,
            "{appended}"
        );
    }
    assert!(Request::parse(16, &raw(2, 0, 8, 8, 2, &[0; 8])).is_ok());
    assert_eq!(errno(16, &raw(1, 0, 8, 8, 2, &[0; 8])), EINVAL);
}

#[test]
fn the_header_tells_the_maximum() {
    let mut out = [0xff; 16];
    read_header(4096, 0, &mut out).unwrap();
    let mut expected = [0; 16];
    expected[8..10].copy_from_slice(&4096u16.to_ne_bytes());
    assert_eq!(out, expected);
    let mut max = [0xff; 2];
    read_header(128, 8, &mut max).unwrap();
    assert_eq!(max, 128u16.to_ne_bytes());
    read_header(128, 15, &mut [0; 1]).unwrap();
}

#[test]
fn only_the_header_is_readable() {
    let errno = |offset, len| {
        read_header(128, offset, &mut vec![0; len])
            .unwrap_err()
            .failure()
            .errno()
    };
    for (offset, len) in [(0, 17), (0, 48), (15, 2), (16, 1), (16, 32), (47, 1)] {
        assert_eq!(errno(offset, len), EFAULT, "{offset} {len}");
    }
    for (offset, len) in [(48, 1), (48, 8), (u64::MAX, 1)] {
        assert_eq!(errno(offset, len), EINVAL, "{offset} {len}");
    }
}

#[test]
fn a_result_is_read_behind_the_request() {
    let image = [0, 0, 0, 0, 1, 2, 3, 4];
    let mut out = [0xff; 8];
    read(128, Some(&image), 48, &mut out).unwrap();
    assert_eq!(out, image);
    let mut tail = [0xff; 4];
    read(128, Some(&image), 52, &mut tail).unwrap();
    assert_eq!(tail, [1, 2, 3, 4]);
    for (result, offset, len) in [
        (Some(&image), 48, 9),
        (Some(&image), 55, 2),
        (Some(&image), 56, 1),
        (None, 48, 8),
        (Some(&image), u64::MAX, 2),
    ] {
        let error = read(128, result, offset, &mut vec![0; len]).unwrap_err();
        assert_eq!(error.failure().errno(), EINVAL, "{offset} {len}");
    }
    read(128, None, 0, &mut [0; 16]).unwrap();
    assert_eq!(
        read(128, Some(&image), 40, &mut [0; 16])
            .unwrap_err()
            .failure()
            .errno(),
        EFAULT
    );
}

#[test]
fn register_images_are_right_aligned() {
    assert_eq!(register_image(&[0xab]), [0, 0, 0, 0, 0, 0, 0, 0xab]);
    assert_eq!(register_image(&[1, 2, 3, 4]), [0, 0, 0, 0, 1, 2, 3, 4]);
    assert_eq!(
        register_image(&[1, 2, 3, 4, 5, 6, 7, 8]),
        [1, 2, 3, 4, 5, 6, 7, 8]
    );
    assert_eq!(register_image(&[]), [0; 8]);
    assert_eq!(
        register_image(&[9, 1, 2, 3, 4, 5, 6, 7, 8]),
        [1, 2, 3, 4, 5, 6, 7, 8]
    );
}

#[test]
fn the_region_has_room_for_what_is_appended() {
    for policy in [CarrierPolicy::Auto, CarrierPolicy::Appended] {
        assert_eq!(region_size(policy, 4096), 48 + 4096);
        assert_eq!(region_size(policy, 1), 48 + 8);
    }
    for policy in [CarrierPolicy::Iova, CarrierPolicy::Process] {
        assert_eq!(region_size(policy, 4096), 48);
    }
}

#[test]
fn the_carrier_is_where_the_bytes_are() {
    let store = |payload| Request {
        op: Op::StoreBlock,
        gaddr: 0x5000,
        offset: 0,
        len: 4,
        pcias: 0,
        payload,
    };
    let load = |gaddr| Request {
        op: Op::Load,
        gaddr,
        offset: 0,
        len: 4,
        pcias: 2,
        payload: None,
    };
    let bare = store(None);
    let brought = store(Some(&[1, 2, 3, 4]));
    let choose = |policy: CarrierPolicy, request: &Request<'_>, mapped| {
        policy
            .choose(request, |_, _| mapped)
            .map_err(|error| error.failure().errno())
    };
    use CarrierPolicy as P;
    let cases = [
        (P::Auto, brought, true, Ok(Carrier::Appended)),
        (P::Auto, bare, true, Ok(Carrier::Iova)),
        (P::Auto, bare, false, Ok(Carrier::Process)),
        (P::Auto, load(0), true, Ok(Carrier::Appended)),
        (P::Auto, load(0x5000), true, Ok(Carrier::Iova)),
        (P::Auto, load(0x5000), false, Ok(Carrier::Process)),
        (P::Appended, brought, true, Ok(Carrier::Appended)),
        (P::Appended, bare, true, Err(EINVAL)),
        (P::Appended, load(0x5000), true, Ok(Carrier::Appended)),
        (P::Iova, brought, true, Err(EINVAL)),
        (P::Iova, bare, false, Ok(Carrier::Iova)),
        (P::Process, brought, true, Err(EINVAL)),
        (P::Process, load(0), true, Ok(Carrier::Process)),
    ];
    for (policy, request, mapped, expected) in cases {
        assert_eq!(
            choose(policy, &request, mapped),
            expected,
            "{policy:?} {request:?}"
        );
    }
    // The policy asks for the store's bytes or for a register in the DMA map.
    P::Auto
        .choose(&bare, |iova, len| {
            assert_eq!((iova, len), (0x5000, 4));
            true
        })
        .unwrap();
    P::Auto
        .choose(&load(0x5000), |iova, len| {
            assert_eq!((iova, len), (0x5000, 8));
            true
        })
        .unwrap();
    assert_eq!(Carrier::Appended.gaddr(&brought), None);
    assert_eq!(Carrier::Iova.gaddr(&bare), Some(0x5000));
    assert_eq!(Carrier::Process.gaddr(&bare), Some(0x5000));
}

proptest! {
    #[test]
    fn what_is_encoded_is_understood(
        store: bool, gaddr: u64, offset: u64, pcias: u8,
        payload in prop::collection::vec(any::<u8>(), 1..300),
        appended: bool,
    ) {
        let op = if store { Op::StoreBlock } else { Op::Load };
        let len = payload.len() as u16;
        let payload = (store && appended).then_some(&payload[..]);
        let request = Request { op, gaddr, offset, len, pcias, payload };
        let bytes = request.encode();
        prop_assert_eq!(Request::parse(16, &bytes), Ok(request));
    }

    #[test]
    fn any_bytes_are_a_request_or_an_error(
        offset in prop_oneof![any::<u64>(), 0..64u64, Just(16u64)],
        mut bytes in prop::collection::vec(any::<u8>(), 0..120),
        flag in 0..4u8,
    ) {
        // Without plausible flags, no request would get past the check of the flags.
        for (index, byte) in bytes.iter_mut().take(8).enumerate() {
            *byte = if index == if cfg!(target_endian = "big") { 7 } else { 0 } { flag } else { 0 };
        }
        match Request::parse(offset, &bytes) {
            Ok(request) => {
                prop_assert_eq!(offset, 16);
                prop_assert!(request.len > 0);
                let carried = request.payload.map_or(0, <[u8]>::len);
                prop_assert_eq!(bytes.len(), 32 + carried);
            }
            Err(error) => prop_assert!(matches!(error.failure().errno(), EIO | EFAULT | EINVAL)),
        }
    }
}
