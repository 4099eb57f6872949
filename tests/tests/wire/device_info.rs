//! Tests of DEVICE_GET_INFO: the argsz protocol and the four zPCI capabilities.

use serde_json::json;
use vfio_user_ism_tests::client::command;
use vfio_user_ism_tests::errno::EINVAL;
use vfio_user_ism_tests::wire::{Bytes, u32_at, u64_at};
use vfio_user_ism_tests::{Client, Daemon};

const HAS_CAPABILITIES: u32 = 0x80;

fn info(client: &mut Client, argsz: u32) -> Vec<u8> {
    client
        .request(command::GET_INFO, Bytes::new().u32(argsz).raw(&[0; 12]))
        .ok()
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

/// Walks the chain of capabilities. Returns id, version and all bytes from the header on.
#[track_caller]
fn chain(info: &[u8]) -> Vec<(u16, u16, &[u8])> {
    let mut capabilities = Vec::new();
    let mut at = u32_at(info, 16) as usize;
    while at != 0 {
        assert_eq!(at % 8, 0, "a capability at {at}");
        let next = u32_at(info, at + 4) as usize;
        assert!(next == 0 || next > at, "the chain runs backwards");
        let end = if next == 0 { info.len() } else { next };
        capabilities.push((u16_at(info, at), u16_at(info, at + 2), &info[at..end]));
        at = next;
    }
    capabilities
}

#[test]
fn without_room_the_reply_has_the_needed_size_and_no_capabilities() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for argsz in [16, 24, 100] {
        let info = info(&mut client, argsz);
        assert_eq!(info.len(), 16);
        assert_eq!(u32_at(&info, 4), 3, "reset and PCI");
        assert!(u32_at(&info, 8) >= 10, "the zPCI I/O region is number 9");
        assert_eq!(u32_at(&info, 12), 5);
        assert!(u32_at(&info, 0) > argsz);
    }
}

#[test]
fn with_just_enough_room_the_reply_has_the_capability_chain() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let needed = u32_at(&info(&mut client, 16), 0);
    assert_eq!(info(&mut client, needed - 1).len(), 16);
    let whole = info(&mut client, needed);
    assert_eq!(whole.len() as u32, needed);
    assert_eq!(u32_at(&whole, 4), 3 | HAS_CAPABILITIES);
    let ids: Vec<_> = chain(&whole)
        .iter()
        .map(|(id, version, _)| (*id, *version))
        .collect();
    assert_eq!(ids, [(1, 2), (2, 2), (3, 1), (4, 1)]);
}

#[test]
fn the_capabilities_tell_what_the_profile_says() {
    let device = json!({ "max_store_block_length": 1024, "pchid": 0x123, "pnetid": "NET1" });
    let daemon = Daemon::with_device(&device);
    let whole = info(&mut daemon.client(), 4096);
    let [base, group, util, pfip] = chain(&whole).try_into().unwrap();
    assert_eq!(u16_at(base.2, 24), 0x123);
    assert_eq!(base.2[30], 5, "function type ISM");
    assert!(
        u64_at(base.2, 8) < u64_at(base.2, 16),
        "first and last DMA address"
    );
    assert_eq!(u64_at(group.2, 24) & 2, 2, "relaxed");
    assert_eq!((u16_at(group.2, 36), u16_at(group.2, 40)), (1024, 1024));
    assert_eq!(u32_at(util.2, 8), 64);
    // The text is NET1 in EBCDIC, followed by blanks.
    assert_eq!(util.2[12..18], [0xd5, 0xc5, 0xe3, 0xf1, 0x40, 0x40]);
    assert_eq!(u32_at(pfip.2, 8), 4);
}

#[test]
fn a_strict_function_has_no_relaxed_flag() {
    let daemon = Daemon::with_profile("strict");
    let whole = info(&mut daemon.client(), 4096);
    let group = chain(&whole)[1].2;
    assert_eq!(u64_at(group, 24) & 2, 0);
    assert_eq!(u16_at(group, 36), 128);
}

#[test]
fn bad_device_info_requests_are_refused() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for body in [
        vec![],
        vec![16, 0, 0, 0],
        vec![0; 16],
        Bytes::new().u32(15).raw(&[0; 12]).0,
    ] {
        client.request(command::GET_INFO, body).refused(EINVAL);
    }
    assert_eq!(info(&mut client, 16).len(), 16);
}
