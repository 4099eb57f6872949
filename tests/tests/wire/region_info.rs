//! Tests of DEVICE_GET_REGION_INFO: sizes, flags and the type capability of the zPCI I/O region.

use serde_json::json;
use vfio_user_ism_tests::client::{ZPCI, command};
use vfio_user_ism_tests::errno::EINVAL;
use vfio_user_ism_tests::wire::{Bytes, u32_at, u64_at};
use vfio_user_ism_tests::{Client, Daemon};

const READ_WRITE: u32 = 3;
const HAS_CAPABILITIES: u32 = 8;

fn info(client: &mut Client, argsz: u32, index: u32) -> Vec<u8> {
    let body = Bytes::new().u32(argsz).u32(0).u32(index).raw(&[0; 20]);
    client.request(command::GET_REGION_INFO, body).ok()
}

/// Returns flags and sizes of all regions, for a client without room for capabilities.
#[track_caller]
fn regions(client: &mut Client) -> Vec<(u32, u64)> {
    let all = (0..10).map(|index| {
        let info = info(client, 32, index);
        assert_eq!((info.len(), u32_at(&info, 8)), (32, index));
        (u32_at(&info, 4), u64_at(&info, 16))
    });
    all.collect()
}

#[test]
fn every_region_has_its_size() {
    let daemon = Daemon::start();
    let found = regions(&mut daemon.client());
    let sizes: Vec<_> = found.iter().map(|(_, size)| *size).collect();
    assert_eq!(sizes[..9], [1 << 48, 0, 4096, 0, 4096, 0, 0, 256, 0]);
    assert!(sizes[9] >= 48);
    for (flags, size) in found {
        assert_eq!(flags, if size == 0 { 0 } else { READ_WRITE });
    }
}

#[test]
fn the_profile_decides_about_sizes() {
    let device = json!({ "msix": false, "data_bar_bits": 39, "payload_carrier": "iova" });
    let daemon = Daemon::with_device(&device);
    let sizes: Vec<_> = regions(&mut daemon.client())
        .iter()
        .map(|(_, size)| *size)
        .collect();
    assert_eq!(sizes, [1 << 39, 0, 4096, 0, 0, 0, 0, 256, 0, 48]);
}

#[test]
fn the_zpci_region_tells_its_type_when_there_is_room() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let short = info(&mut client, 32, ZPCI);
    assert_eq!(u32_at(&short, 4), READ_WRITE);
    let needed = u32_at(&short, 0);
    assert_eq!(info(&mut client, needed - 1, ZPCI).len(), 32);
    let whole = info(&mut client, needed, ZPCI);
    assert_eq!(whole.len() as u32, needed);
    assert_eq!(u32_at(&whole, 4), READ_WRITE | HAS_CAPABILITIES);
    let at = u32_at(&whole, 12) as usize;
    let capability = Bytes::new().u16(2).u16(1).u32(0).u32(0x8000_1014).u32(2).0;
    assert_eq!(whole[at..], capability);
}

#[test]
fn bad_region_info_requests_are_refused() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let request = |argsz, index| Bytes::new().u32(argsz).u32(0).u32(index).raw(&[0; 20]).0;
    for body in [
        vec![],
        request(32, 0)[..31].to_vec(),
        request(31, 0),
        request(32, 10),
        request(32, u32::MAX),
    ] {
        client
            .request(command::GET_REGION_INFO, body)
            .refused(EINVAL);
    }
    info(&mut client, 32, 0);
}
