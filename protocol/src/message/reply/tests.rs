use super::*;
use crate::message::{self, region_info};

/// Builds a whole reply to a request of this command, and splits it into header and body.
fn answer(command: Command, body: impl FnOnce(&mut Vec<u8>)) -> (Header, Vec<u8>) {
    let mut out = Vec::new();
    message::reply(&mut out, &Header::command(3, command, 0), body);
    let (header, body) = out.split_first_chunk().unwrap();
    (Header::decode(header), body.to_vec())
}

fn access() -> RegionAccess {
    RegionAccess {
        offset: 8,
        region: 2,
        count: 4,
    }
}

#[test]
fn what_a_server_answers_a_client_reads() {
    let unmap = DmaUnmap::Range {
        iova: 0x1000,
        size: 0x2000,
    };
    let region = RegionInfo {
        index: 9,
        flags: region_info::FLAG_READ,
        size: 48,
        kind: Some((0x8000_1014, 2)),
    };
    let device = DeviceInfo {
        regions: 10,
        irqs: 5,
        capabilities: &[7; 16],
    };
    let (header, body) = answer(Command::DmaUnmap, |out| unmap.encode_reply(0x2000, out));
    let expected = Reply::DmaUnmap {
        unmap,
        unmapped: 0x2000,
    };
    assert_eq!(Reply::decode(&header, &body).unwrap(), expected);

    let (header, body) = answer(Command::DeviceGetInfo, |out| device.encode(40, out));
    let expected = Reply::DeviceInfo {
        info: device,
        argsz: 40,
    };
    assert_eq!(Reply::decode(&header, &body).unwrap(), expected);

    let (header, body) = answer(Command::DeviceGetRegionInfo, |out| region.encode(48, out));
    let expected = Reply::RegionInfo {
        info: region,
        argsz: 48,
        capabilities: vec![RegionCapability::Type {
            kind: 0x8000_1014,
            subtype: 2,
        }],
    };
    assert_eq!(Reply::decode(&header, &body).unwrap(), expected);

    let (header, body) = answer(Command::DeviceGetRegionIoFds, |out| {
        region_info::encode_io_fds(region_info::IO_FDS_LEN, 2, out);
    });
    let expected = Reply::RegionIoFds {
        argsz: 16,
        index: 2,
        count: 0,
    };
    assert_eq!(Reply::decode(&header, &body).unwrap(), expected);

    let (header, body) = answer(Command::DeviceGetIrqInfo, |out| {
        message::irq::encode_info(1, 3, 32, out);
    });
    let expected = Reply::IrqInfo(IrqInfo {
        index: 1,
        flags: 3,
        count: 32,
    });
    assert_eq!(Reply::decode(&header, &body).unwrap(), expected);

    let (header, body) = answer(Command::RegionWrite, |out| access().encode(out));
    let expected = Reply::RegionWrite(access());
    assert_eq!(Reply::decode(&header, &body).unwrap(), expected);

    let (header, body) = answer(Command::RegionWriteMulti, |out| {
        MultiWrites::encode_reply(2, out);
    });
    let expected = Reply::RegionWriteMulti { written: 2 };
    assert_eq!(Reply::decode(&header, &body).unwrap(), expected);

    for command in [
        Command::DmaMap,
        Command::DeviceSetIrqs,
        Command::DeviceReset,
    ] {
        let (header, body) = answer(command, |_| {});
        let expected = Reply::Done(command);
        assert_eq!(Reply::decode(&header, &body).unwrap(), expected);
    }
}

#[test]
fn a_region_read_is_answered_with_its_data() {
    let request = Header::command(3, Command::RegionRead, 32);
    let mut out = Vec::new();
    access()
        .reply_to_read::<()>(&request, &mut out, |data| {
            data.copy_from_slice(&[1, 2, 3, 4]);
            Ok(())
        })
        .unwrap();
    let (header, body) = out.split_first_chunk().unwrap();
    let header = Header::decode(header);
    let expected = Reply::RegionRead {
        access: access(),
        data: &[1, 2, 3, 4],
    };
    assert_eq!(Reply::decode(&header, body).unwrap(), expected);
    for len in 0..body.len() {
        let error = Reply::decode(&header, &body[..len]).unwrap_err();
        assert_eq!(error.errno, Errno::EPROTO, "{len}");
    }
}

#[test]
fn an_error_reply_tells_its_errno() {
    let request = Header::command(3, Command::DmaMap, 48);
    for (errno, told) in [
        (Errno::EEXIST, Errno::EEXIST),
        (Errno(0), Errno::EIO),
        (Errno(9999), Errno(9999)),
    ] {
        let error = Reply::decode(&request.error_reply(errno), &[]).unwrap_err();
        assert_eq!(error.errno, told);
        assert!(error.reason.contains("DMA_MAP"), "{}", error.reason);
    }
}

#[test]
fn what_is_no_reply_of_a_server_is_a_protocol_error() {
    let not_a_reply = Header::command(3, Command::DeviceReset, 16);
    let (reset, _) = answer(Command::DeviceReset, |_| {});
    let unknown = Header {
        command: 77,
        ..reset
    };
    let (dma, _) = answer(Command::DmaRead, |_| {});
    for (header, body) in [
        (not_a_reply, &[][..]),
        (reset, &[0]),
        (unknown, &[]),
        (dma, &[]),
    ] {
        assert_eq!(
            Reply::decode(&header, body).unwrap_err().errno,
            Errno::EPROTO,
            "{header:?}"
        );
    }
}
