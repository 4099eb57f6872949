//! Tests of DEVICE_FEATURE: the device has no feature, which is ENOTTY. QEMU accepts only that answer.

use vfio_user_ism_tests::client::command;
use vfio_user_ism_tests::errno::{EINVAL, ENOTTY};
use vfio_user_ism_tests::{Bytes, Daemon};

const GET: u32 = 1 << 16;
const SET: u32 = 1 << 17;
const PROBE: u32 = 1 << 18;

#[test]
fn a_device_feature_that_is_not_there_is_enotty() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    // Migration, VF token, PCI power, and a feature that no device has.
    for feature in [0, 1, 2, 3, 5, 0xffff] {
        for flags in [
            0,
            GET,
            SET,
            PROBE,
            PROBE | GET,
            PROBE | SET,
            PROBE | GET | SET,
        ] {
            for data in [0, 8, 4000] {
                let body = Bytes::new().u32(8 + data).u32(feature | flags);
                let body = body.raw(&vec![0; data as usize]);
                client.request(command::FEATURE, body).refused(ENOTTY);
            }
        }
    }
    client.reset();
}

#[test]
fn bad_device_feature_requests_are_refused() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for (argsz, flags) in [
        (7, PROBE),
        (0, PROBE),
        (8, GET | SET),
        (8, PROBE | 1 << 19),
        (8, GET | 1 << 31),
    ] {
        let body = Bytes::new().u32(argsz).u32(flags);
        client.request(command::FEATURE, body).refused(EINVAL);
    }
    for len in [0, 4, 7] {
        let body = &Bytes::new().u32(8).u32(PROBE).0[..len];
        client.request(command::FEATURE, body).refused(EINVAL);
    }
    client.reset();
}
