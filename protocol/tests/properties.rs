//! Properties for every input: nothing panics, the pieces of a stream do not matter, and each end reads what
//! the other end wrote.

use proptest::prelude::*;
use vfio_user_protocol::message::{
    DmaAccess, DmaMap, DmaUnmap, IrqAction, IrqData, MmapArea, MultiWrites, RegionAccess,
    RegionCapability, RegionInfo, RegionWrite, Reply, SetIrqs, Version, dma,
};
use vfio_user_protocol::{Command, Errno, HEADER_LEN, Header, Limits, Next, Request, next_frame};

/// Returns the frames in `stream` when it arrives in pieces of at most `piece` bytes, and the rest.
fn frames(stream: &[u8], piece: usize) -> (Vec<(Header, Vec<u8>)>, usize) {
    let limits = Limits::default();
    let mut buffer = Vec::new();
    let mut frames = Vec::new();
    for part in stream.chunks(piece) {
        buffer.extend_from_slice(part);
        while let Ok(Next::Frame(frame)) = next_frame(&buffer, &limits) {
            frames.push((frame.header, frame.body.to_vec()));
            let total = frame.total;
            buffer.drain(..total);
        }
    }
    (frames, buffer.len())
}

fn header(command: Command) -> Header {
    Header::command(0, command, 0)
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let flags = prop::sample::select(vec![0u32, 0x10, 1, 0x21]);
    let body = prop::collection::vec(any::<u8>(), 0..80);
    (any::<u16>(), 0u16..20, flags, body).prop_map(|(message_id, command, flags, body)| {
        let header = Header {
            message_id,
            command,
            message_size: (HEADER_LEN + body.len()) as u32,
            flags,
            error: 0,
        };
        [&header.encode()[..], &body].concat()
    })
}

/// The bytes that a request may borrow.
#[derive(Clone, Debug)]
struct Material {
    bytes: Vec<u8>,
    items: Vec<u8>,
}

fn material() -> impl Strategy<Value = Material> {
    let write = (
        any::<u64>(),
        any::<u32>(),
        prop::collection::vec(any::<u8>(), 1..=8),
    );
    let bytes = prop::collection::vec(any::<u8>(), 1..200);
    let writes = prop::collection::vec(write, 1..20);
    (bytes, writes).prop_map(|(bytes, writes)| {
        let writes: Vec<_> = writes
            .iter()
            .map(|(offset, region, data)| RegionWrite {
                access: RegionAccess {
                    offset: offset >> 1,
                    region: *region,
                    count: 0,
                },
                data,
            })
            .collect();
        Material {
            bytes,
            items: MultiWrites::items(&writes),
        }
    })
}

/// Builds a request that a server accepts; `which` chooses the command.
fn request(which: u8, a: u64, b: u32, material: &Material) -> Request<'_> {
    let (offset, size) = (a >> 1, u64::from(b) + 1);
    let bytes = &material.bytes;
    let access = RegionAccess {
        offset,
        region: b,
        count: b % (1 << 20),
    };
    let action = match a % 3 {
        0 => IrqAction::Mask,
        1 => IrqAction::Unmask,
        _ => IrqAction::Trigger,
    };
    let irqs = |data, count| SetIrqs {
        index: b,
        start: (a >> 33) as u32,
        count,
        action,
        data,
    };
    match which % 14 {
        0 => Request::Version(Version {
            major: a as u16,
            minor: b as u16,
            text: if b.is_multiple_of(2) { "" } else { "{}" },
        }),
        1 => Request::DmaMap(DmaMap {
            access: [DmaAccess::Unstated, DmaAccess::Mapping, DmaAccess::FileIo][(a % 3) as usize],
            readable: true,
            writable: b.is_multiple_of(2),
            offset,
            iova: offset,
            size,
        }),
        2 => Request::DmaUnmap(DmaUnmap::Range { iova: offset, size }),
        3 => Request::DmaUnmap(DmaUnmap::All),
        4 => Request::DeviceGetInfo { argsz: b.max(16) },
        5 => Request::DeviceGetRegionInfo {
            argsz: b.max(32),
            index: a as u32,
        },
        6 => Request::DeviceGetRegionIoFds {
            argsz: b.max(16),
            index: a as u32,
        },
        7 => Request::DeviceGetIrqInfo { index: b },
        8 => Request::SetIrqs(irqs(IrqData::None, b % 2048 + 1)),
        9 => Request::SetIrqs(irqs(IrqData::Bool(bytes), bytes.len() as u32)),
        10 => Request::SetIrqs(irqs(IrqData::Eventfd, b % 2048 + 1)),
        11 => Request::RegionRead(access),
        12 => Request::RegionWrite(RegionWrite {
            access: RegionAccess {
                count: bytes.len() as u32,
                ..access
            },
            data: bytes,
        }),
        _ => Request::RegionWriteMulti(MultiWrites::from_items(&material.items)),
    }
}

/// Generates texts of VERSION near the limits: known and unknown keys, valid and invalid values.
fn capabilities() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "max_msg_fds",
        "max_data_xfer_size",
        "max_dma_maps",
        "pgsizes",
        "write_multiple",
        "migration",
        "twin_socket",
        "colour",
    ]);
    let value = prop::sample::select(vec![
        "0",
        "1",
        "16",
        "4096",
        "65535",
        "1048576",
        "18446744073709551615",
        "-1",
        "1.5",
        "true",
        "false",
        "null",
        "{}",
        "[]",
        "\"16\"",
        r#"{"pgsize":4096}"#,
        r#"{"supported":true}"#,
    ]);
    let pairs = prop::collection::vec((key, value), 0..8);
    let good = pairs.prop_map(|pairs| {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(key, value)| format!("\"{key}\":{value}"))
            .collect();
        format!("{{\"capabilities\":{{{}}}}}", pairs.join(","))
    });
    prop_oneof![8 => good, 1 => Just(String::new()), 1 => Just("{}".to_owned()), 1 => "[ -~]{0,40}"]
}

fn region_capability() -> impl Strategy<Value = RegionCapability> {
    let area = (any::<u64>(), any::<u64>()).prop_map(|(offset, size)| MmapArea { offset, size });
    prop_oneof![
        prop::collection::vec(area, 0..5).prop_map(RegionCapability::SparseMmap),
        (any::<u32>(), any::<u32>())
            .prop_map(|(kind, subtype)| RegionCapability::Type { kind, subtype }),
        Just(RegionCapability::MsixMappable),
    ]
}

proptest! {
    #[test]
    fn one_byte_at_a_time_gives_the_same_frames(
        messages in prop::collection::vec(message(), 0..6),
        piece in 1usize..40,
        cut in 0usize..16,
    ) {
        let mut stream = messages.concat();
        let left = cut.min(stream.len());
        stream.extend_from_within(..left);
        let whole = frames(&stream, usize::MAX);
        prop_assert_eq!((whole.0.len(), whole.1), (messages.len(), left));
        prop_assert_eq!(&frames(&stream, 1), &whole);
        prop_assert_eq!(&frames(&stream, piece), &whole);
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        command in 0u16..20,
        flags in any::<u32>(),
    ) {
        let _ = next_frame(&bytes, &Limits::default());
        let header = Header { command, flags, ..header(Command::Version) };
        if let Ok(Request::Version(version)) = Request::decode(&header, &bytes) {
            let _ = version.negotiate();
        }
        let _ = Reply::decode(&Header { flags: 1, ..header }, &bytes);
        let _ = dma::decode_dma_read_reply(&bytes, None, 0, 8);
        let _ = dma::decode_dma_read(&bytes);
        let _ = dma::decode_dma_write(&bytes);
    }

    /// Random bytes rarely pass the first check, so this test changes some bytes of a valid request.
    #[test]
    fn damaged_messages_never_panic_and_stay_in_bounds(
        which in any::<u8>(), a in any::<u64>(), b in any::<u32>(), material in material(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        keep in any::<prop::sample::Index>(),
    ) {
        let request = request(which, a, b, &material);
        let mut out = Vec::new();
        request.encode(1, 0, &mut out);
        let mut body = out.split_off(HEADER_LEN);
        if let 1.. = body.len() {
            for (at, value) in damage {
                let at = at.index(body.len());
                body[at] = value;
            }
            body.truncate(keep.index(body.len() + 1).max(body.len() / 2));
        }
        let header = header(request.command());
        match Request::decode(&header, &body) {
            Ok(Request::SetIrqs(set)) => {
                for vector in set.chosen() {
                    prop_assert!(vector >= set.start && vector - set.start < set.count);
                }
            }
            Ok(Request::RegionWrite(write)) => {
                prop_assert_eq!(write.data.len(), write.access.count as usize);
            }
            Ok(Request::RegionWriteMulti(writes)) => {
                prop_assert_eq!(writes.iter().count(), writes.len());
                prop_assert!(writes.iter().all(|write| (1..=8).contains(&write.data.len())));
            }
            Ok(Request::Version(version)) => {
                let _ = version.negotiate();
            }
            Ok(_) => {}
            Err(refused) => {
                prop_assert!([Errno::EINVAL, Errno::EOPNOTSUPP].contains(&refused.errno));
            }
        }
        let _ = Reply::decode(&Header { flags: 1, ..header }, &body);
    }

    #[test]
    fn a_request_is_read_as_it_was_written(
        which in any::<u8>(), a in any::<u64>(), b in any::<u32>(), material in material(), id in any::<u16>(),
    ) {
        let request = request(which, a, b, &material);
        let mut out = vec![0xaa];
        request.encode(id, 0, &mut out);
        let Ok(Next::Frame(frame)) = next_frame(&out[1..], &Limits::default()) else {
            panic!("not a frame");
        };
        prop_assert_eq!((frame.header.message_id, frame.total), (id, out.len() - 1));
        prop_assert_eq!(Request::decode(&frame.header, frame.body).unwrap(), request);
    }

    #[test]
    fn region_info_is_read_as_it_was_written_and_never_outgrows_argsz(
        index in any::<u32>(), flags in 0u32..8, size in any::<u64>(),
        capabilities in prop::collection::vec(region_capability(), 0..5), room in 32u32..300,
    ) {
        let kind = capabilities.iter().find_map(|capability| match capability {
            RegionCapability::Type { kind, subtype } => Some((*kind, *subtype)),
            _ => None,
        });
        let info = RegionInfo { index, flags, size, kind };
        let mut out = Vec::new();
        info.encode_with(&capabilities, room, &mut out);
        prop_assert!(out.len() <= room as usize);
        let (back, argsz, _) = RegionInfo::decode_with(&out).unwrap();
        prop_assert_eq!((back.index, back.flags, back.size), (index, flags, size));
        out.clear();
        info.encode_with(&capabilities, argsz, &mut out);
        prop_assert_eq!(out.len(), argsz as usize);
        prop_assert_eq!(RegionInfo::decode_with(&out).unwrap(), (info, argsz, capabilities));
    }

    #[test]
    fn dma_goes_both_ways(iova in any::<u64>(), data in prop::collection::vec(any::<u8>(), 0..100), narrow in any::<bool>()) {
        let layout = if narrow { dma::DmaLayout::Narrow } else { dma::DmaLayout::Wide };
        // A wide reply that begins and ends with zeros may also be a padded one.
        let known = Some(layout);
        let mut out = Vec::new();
        dma::encode_dma_write(1, layout, iova, &data, &mut out);
        prop_assert_eq!(dma::decode_dma_write(&out[HEADER_LEN..]).unwrap(), (layout, iova, &data[..]));
        out.clear();
        dma::encode_dma_read_reply(&header(Command::DmaRead), layout, iova, &data, &mut out);
        let back = dma::decode_dma_read_reply(&out[HEADER_LEN..], known, iova, data.len() as u32);
        let expected = dma::DmaReadReply::Data { layout: known, data: &data[..] };
        prop_assert_eq!(back.unwrap(), expected);
    }

    #[test]
    fn a_version_reply_never_outgrows_its_request_and_is_a_version(text in capabilities(), minor in any::<u16>()) {
        let proposal = Version { major: 0, minor, text: &text };
        let mut request = Vec::new();
        proposal.encode(&mut request);
        // An empty text counts as no text; one with a NUL cannot be sent.
        let proposal = Version::decode(&request).unwrap();
        if let Ok(negotiated) = proposal.negotiate() {
            let ours = Limits::default();
            prop_assert!(negotiated.minor <= minor);
            prop_assert!(negotiated.limits.max_data_xfer_size <= ours.max_data_xfer_size);
            prop_assert!(negotiated.limits.max_data_xfer_size > 0);
            let mut reply = Vec::new();
            negotiated.encode(request.len(), &mut reply);
            prop_assert!(reply.len() <= request.len(), "{} for {}", reply.len(), request.len());
            let answer = Version::decode(&reply).unwrap();
            // The answer is itself a valid proposal, and negotiating it again changes nothing.
            let again = answer.negotiate().unwrap();
            prop_assert_eq!(again.limits.max_data_xfer_size > 0, true);
            prop_assert!(again.unknown.is_empty());
        }
    }
}
