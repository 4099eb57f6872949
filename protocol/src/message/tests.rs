use super::*;
use crate::wire::Put;

fn decode(command: Command, body: &[u8]) -> Result<Request<'_>, Refused> {
    Request::decode(&Header::command(1, command, 0), body)
}

fn body(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn map_body(argsz: u32, flags: u32, offset: u64, iova: u64, size: u64) -> Vec<u8> {
    let mut bytes = body(&[argsz, flags]);
    [offset, iova, size]
        .into_iter()
        .for_each(|word| bytes.put_u64(word));
    bytes
}

fn unmap_body(argsz: u32, flags: u32, iova: u64, size: u64) -> Vec<u8> {
    let mut bytes = body(&[argsz, flags]);
    bytes.put_u64(iova);
    bytes.put_u64(size);
    bytes
}

fn refused(command: Command, body: &[u8]) -> Errno {
    decode(command, body).expect_err("accepted").errno
}

#[test]
fn every_command_refuses_a_body_one_byte_short_or_long() {
    let items = MultiWrites::items(&[RegionWrite {
        access: RegionAccess {
            offset: 0,
            region: 2,
            count: 0,
        },
        data: &[1],
    }]);
    let requests = [
        Request::DmaMap(DmaMap {
            access: DmaAccess::Unstated,
            readable: true,
            writable: true,
            offset: 0,
            iova: 0,
            size: 4096,
        }),
        Request::DmaUnmap(DmaUnmap::Range {
            iova: 0,
            size: 4096,
        }),
        Request::DeviceGetInfo { argsz: 16 },
        Request::DeviceGetRegionInfo {
            argsz: 32,
            index: 9,
        },
        Request::DeviceGetRegionIoFds {
            argsz: 16,
            index: 0,
        },
        Request::DeviceGetIrqInfo { index: 1 },
        Request::SetIrqs(SetIrqs {
            index: 1,
            start: 0,
            count: 1,
            action: IrqAction::Trigger,
            data: IrqData::Bool(&[1]),
        }),
        Request::RegionRead(RegionAccess {
            offset: 0,
            region: 7,
            count: 4,
        }),
        Request::RegionWrite(RegionWrite {
            access: RegionAccess {
                offset: 0,
                region: 7,
                count: 2,
            },
            data: &[1, 2],
        }),
        Request::RegionWriteMulti(MultiWrites::from_items(&items)),
        Request::DeviceReset,
    ];
    for request in requests {
        let mut bytes = Vec::new();
        request.encode(7, 0, &mut bytes);
        let (header, body) = bytes.split_first_chunk::<16>().unwrap();
        let header = Header::decode(header);
        assert_eq!(header.message_size as usize, bytes.len());
        assert_eq!(Request::decode(&header, body).unwrap(), request);
        let mut long = body.to_vec();
        long.push(0);
        assert_eq!(
            refused(request.command(), &long),
            Errno::EINVAL,
            "{request:?}"
        );
        if let Some((_, short)) = body.split_last() {
            assert_eq!(
                refused(request.command(), short),
                Errno::EINVAL,
                "{request:?}"
            );
        }
    }
}

#[test]
fn dma_ranges_and_flags_are_checked() {
    for bad in [
        map_body(31, 3, 0, 0, 4096),
        map_body(32, 0, 0, 0, 4096),
        map_body(32, 4, 0, 0, 4096),
        map_body(32, 3, 0, 0, 0),
        map_body(32, 3, 0, u64::MAX, 2),
        map_body(32, 3, u64::MAX, 0, 2),
    ] {
        assert_eq!(refused(Command::DmaMap, &bad), Errno::EINVAL);
    }
    assert!(decode(Command::DmaMap, &map_body(32, 3, 0, u64::MAX, 1)).is_ok());
    for bad in [
        unmap_body(23, 0, 0, 4096),
        unmap_body(24, 0, 0, 0),
        unmap_body(24, 2, 1, 0),
        unmap_body(24, 2, 0, 1),
        unmap_body(24, 4, 0, 4096),
        unmap_body(24, 0, u64::MAX, 2),
    ] {
        assert_eq!(refused(Command::DmaUnmap, &bad), Errno::EINVAL);
    }
    assert_eq!(
        refused(Command::DmaUnmap, &unmap_body(24, 1, 0, 4096)),
        Errno::EOPNOTSUPP
    );
    assert_eq!(
        decode(Command::DmaUnmap, &unmap_body(24, 2, 0, 0)),
        Ok(Request::DmaUnmap(DmaUnmap::All))
    );
}

#[test]
fn set_irqs_takes_one_data_form_and_one_action() {
    for flags in [0u32, 1, 8, 0x21 | 2, 0x21 | 8, 0x40 | 0x21, 7 | 0x20] {
        assert_eq!(
            refused(Command::DeviceSetIrqs, &body(&[20, flags, 1, 0, 1])),
            Errno::EINVAL,
            "{flags:#x}"
        );
    }
    assert_eq!(
        refused(Command::DeviceSetIrqs, &body(&[20, 0x24, 1, 0, 0])),
        Errno::EINVAL
    );
    assert_eq!(
        refused(Command::DeviceSetIrqs, &body(&[20, 0x21, 1, u32::MAX, 1])),
        Errno::EINVAL
    );
    assert_eq!(
        refused(Command::DeviceSetIrqs, &body(&[19, 0x21, 1, 0, 1])),
        Errno::EINVAL
    );
    let bytes = body(&[20, 0x21, 1, 3, 2]);
    let Ok(Request::SetIrqs(set)) = decode(Command::DeviceSetIrqs, &bytes) else {
        panic!()
    };
    assert_eq!(set.chosen().collect::<Vec<_>>(), [3, 4]);
    let mut bytes = body(&[23, 0x22, 1, 5, 3]);
    bytes.extend([1, 0, 9]);
    let Ok(Request::SetIrqs(set)) = decode(Command::DeviceSetIrqs, &bytes) else {
        panic!()
    };
    assert_eq!(set.chosen().collect::<Vec<_>>(), [5, 7]);
    assert!(decode(Command::DeviceSetIrqs, &body(&[20, 0x21, 1, 0, 0])).is_ok());
}

#[test]
fn answers_with_capabilities_follow_argsz() {
    let info = DeviceInfo {
        regions: 10,
        irqs: 5,
        capabilities: &[7; 24],
    };
    for (room, len) in [(16, 16), (47, 16), (48, 48), (4096, 48)] {
        let mut out = Vec::new();
        info.encode(room, &mut out);
        assert_eq!(out.len(), len, "room {room}");
        let (back, argsz) = DeviceInfo::decode(&out).unwrap();
        assert_eq!((back.regions, back.irqs, argsz), (10, 5, 48));
        assert_eq!(back.capabilities.len(), len.saturating_sub(24));
        let flags = u32::from_ne_bytes(out[4..8].try_into().unwrap());
        assert_eq!(flags & 0x80 != 0, len == 48);
    }
    let region = RegionInfo {
        index: 9,
        flags: 3,
        size: 48,
        kind: Some((0x8000_1014, 2)),
    };
    for (room, len) in [(32, 32), (47, 32), (48, 48)] {
        let mut out = Vec::new();
        region.encode(room, &mut out);
        assert_eq!(out.len(), len);
        let (back, argsz) = RegionInfo::decode(&out).unwrap();
        assert_eq!((back.size, argsz), (48, 48));
        assert_eq!(back.kind.is_some(), len == 48);
    }
}

#[test]
fn a_region_access_past_the_limits_is_refused() {
    let access = |offset, count| {
        let mut bytes = Vec::new();
        RegionAccess {
            offset,
            region: 0,
            count,
        }
        .encode(&mut bytes);
        bytes
    };
    assert_eq!(
        refused(Command::RegionRead, &access(0, (1 << 20) + 1)),
        Errno::EINVAL
    );
    assert_eq!(
        refused(Command::RegionRead, &access(u64::MAX, 1)),
        Errno::EINVAL
    );
    assert!(decode(Command::RegionRead, &access(0, 1 << 20)).is_ok());
    assert_eq!(refused(Command::RegionWrite, &access(0, 1)), Errno::EINVAL);
}

#[test]
fn multi_writes_are_taken_whole_or_not_at_all() {
    let write = |data| RegionWrite {
        access: RegionAccess {
            offset: 8,
            region: 2,
            count: 0,
        },
        data,
    };
    let items = MultiWrites::items(&[write(&[1, 2, 3]), write(&[4; 8])]);
    let mut bytes = 2u64.to_ne_bytes().to_vec();
    bytes.extend(&items);
    let Ok(Request::RegionWriteMulti(writes)) = decode(Command::RegionWriteMulti, &bytes) else {
        panic!()
    };
    let data: Vec<_> = writes.iter().map(|write| write.data.to_vec()).collect();
    assert_eq!(data, [vec![1, 2, 3], vec![4; 8]]);
    for (at, value) in [(20, 9u32), (20, 0), (44, u32::MAX)] {
        let mut bad = bytes.clone();
        bad[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        assert_eq!(
            refused(Command::RegionWriteMulti, &bad),
            Errno::EINVAL,
            "{at} {value}"
        );
    }
    for number in [0u64, 1, 3, u64::MAX] {
        let mut bad = bytes.clone();
        bad[..8].copy_from_slice(&number.to_ne_bytes());
        assert_eq!(
            refused(Command::RegionWriteMulti, &bad),
            Errno::EINVAL,
            "{number}"
        );
    }
}

#[test]
fn a_failed_read_leaves_no_half_reply() {
    let access = RegionAccess {
        offset: 0,
        region: 0,
        count: 8,
    };
    let request = Header::command(3, Command::RegionRead, 32);
    let mut out = vec![9];
    assert_eq!(
        access.reply_to_read(&request, &mut out, |_| Err("no")),
        Err("no")
    );
    assert_eq!(out, [9]);
    access
        .reply_to_read::<()>(&request, &mut out, |data| {
            data.fill(5);
            Ok(())
        })
        .unwrap();
    assert_eq!((out.len(), &out[33..]), (1 + 16 + 16 + 8, &[5u8; 8][..]));
}

#[test]
fn a_reply_to_a_read_is_built_in_the_buffer_that_is_there() {
    let access = RegionAccess {
        offset: 0,
        region: 0,
        count: 256,
    };
    let request = Header::command(3, Command::RegionRead, 32);
    let mut out = Vec::with_capacity(16 + 16 + 256);
    let (place, capacity) = (out.as_ptr(), out.capacity());
    for _ in 0..3 {
        out.clear();
        access
            .reply_to_read::<()>(&request, &mut out, |_| Ok(()))
            .unwrap();
        assert_eq!((out.as_ptr(), out.capacity()), (place, capacity));
    }
}

#[test]
fn commands_not_meant_for_a_server_are_named() {
    for command in [
        Command::DmaRead,
        Command::DmaWrite,
        Command::DirtyPages,
        Command::MigDataRead,
    ] {
        let error = decode(command, &[]).unwrap_err();
        assert_eq!(error.errno, Errno::EOPNOTSUPP);
        assert!(error.reason.contains(command.name()), "{}", error.reason);
    }
    let header = Header {
        command: 77,
        ..Header::command(1, Command::Version, 16)
    };
    assert_eq!(
        Request::decode(&header, &[]).unwrap_err().errno,
        Errno::EOPNOTSUPP
    );
}

#[test]
fn device_info_takes_all_sizes_that_linux_has_had_and_padding_up_to_argsz() {
    for (argsz, len) in [
        (16, 16usize),
        (16, 20),
        (16, 24),
        (24, 17),
        (24, 23),
        (24, 24),
    ] {
        let mut bytes = body(&[argsz]);
        bytes.resize(len, 0);
        assert_eq!(
            decode(Command::DeviceGetInfo, &bytes),
            Ok(Request::DeviceGetInfo { argsz })
        );
    }
    for len in [12usize, 25, 28, 32] {
        let mut bytes = body(&[24]);
        bytes.resize(len, 0);
        assert_eq!(
            refused(Command::DeviceGetInfo, &bytes),
            Errno::EINVAL,
            "{len}"
        );
    }
}

#[test]
fn set_irqs_names_no_more_vectors_than_there_can_be() {
    let most = crate::limits::MAX_IRQ_VECTORS;
    assert!(decode(Command::DeviceSetIrqs, &body(&[20, 0x21, 2, 0, most])).is_ok());
    for count in [most + 1, u32::MAX] {
        assert_eq!(
            refused(Command::DeviceSetIrqs, &body(&[20, 0x21, 2, 0, count])),
            Errno::EINVAL
        );
    }
}

#[test]
fn an_argsz_below_the_fixed_part_is_refused() {
    for (command, least, words) in [
        (Command::DeviceGetInfo, 16, 4),
        (Command::DeviceGetRegionInfo, 32, 8),
        (Command::DeviceGetRegionIoFds, 16, 4),
        (Command::DeviceGetIrqInfo, 16, 4),
    ] {
        let with = |argsz| {
            let mut bytes = body(&[argsz]);
            bytes.resize(words * 4, 0);
            bytes
        };
        assert!(decode(command, &with(least)).is_ok(), "{command:?}");
        for argsz in [0, least - 1] {
            assert_eq!(refused(command, &with(argsz)), Errno::EINVAL, "{command:?}");
        }
    }
}

#[test]
fn io_fds_asks_with_no_flags_and_no_count() {
    for words in [[16, 1, 0, 0], [16, 0, 0, 1]] {
        assert_eq!(
            refused(Command::DeviceGetRegionIoFds, &body(&words)),
            Errno::EINVAL
        );
    }
}

#[test]
fn multi_writes_are_at_least_one_and_at_most_the_limit() {
    let with = |number: u64| {
        let mut bytes = number.to_ne_bytes().to_vec();
        let item = MultiWrites::items(&[RegionWrite {
            access: RegionAccess {
                offset: 0,
                region: 2,
                count: 0,
            },
            data: &[1],
        }]);
        (0..number).for_each(|_| bytes.extend(&item));
        bytes
    };
    let most = crate::limits::MAX_MULTI_WRITES;
    for number in [1, most] {
        assert!(decode(Command::RegionWriteMulti, &with(number)).is_ok());
    }
    for number in [0, most + 1] {
        assert_eq!(
            refused(Command::RegionWriteMulti, &with(number)),
            Errno::EINVAL,
            "{number}"
        );
    }
}
