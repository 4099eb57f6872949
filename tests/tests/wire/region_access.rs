//! Tests of REGION_READ and REGION_WRITE: replies and bounds, for every region.

use vfio_user_ism_tests::client::{CONFIG, access, command, region_write};
use vfio_user_ism_tests::errno::EINVAL;
use vfio_user_ism_tests::{Bytes, Daemon};

#[test]
fn region_access_replies_repeat_the_access() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let body = client.read(CONFIG, 4, 8).ok();
    assert_eq!(body[..16], access(CONFIG, 4, 8).0);
    assert_eq!(body.len(), 24);
    assert_eq!(
        client.write(CONFIG, 0x3c, &[7]).ok(),
        access(CONFIG, 0x3c, 1).0
    );
}

#[test]
fn accesses_outside_a_region_are_refused() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for (region, size) in [(0, 1 << 48), (2, 4096), (4, 4096), (CONFIG, 256)] {
        for (offset, count) in [(size, 8), (size - 4, 8), (u64::MAX - 8, 8), (1 << 62, 4)] {
            client.read(region, offset, count).refused(EINVAL);
            client
                .write(region, offset, &vec![0; count as usize])
                .refused(EINVAL);
        }
    }
    for region in [1, 3, 5, 6, 8, 10, u32::MAX] {
        client.read(region, 0, 8).refused(EINVAL);
        client.write(region, 0, &[0; 8]).refused(EINVAL);
    }
    client.reset();
}

#[test]
fn reads_and_writes_of_no_bytes_succeed_and_are_no_access() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for (region, size) in [(0, 1 << 48), (2, 4096), (4, 4096), (CONFIG, 256), (9, 48)] {
        for offset in [0, 3, size, size + 1, u64::MAX] {
            assert_eq!(
                client.read(region, offset, 0).ok(),
                access(region, offset, 0).0
            );
            assert_eq!(
                client.write(region, offset, &[]).ok(),
                access(region, offset, 0).0
            );
        }
    }
    // A region that does not exist cannot be accessed.
    for region in [1, 3, 6, 10, u32::MAX] {
        client.read(region, 0, 0).refused(EINVAL);
        client.write(region, 0, &[]).refused(EINVAL);
    }
    drop(client);
    let stopped = daemon.stop();
    for name in ["store", "load", "violation", "config-read", "config-write"] {
        assert_eq!(stopped.events_named(name).count(), 0, "{name}");
    }
}

#[test]
fn a_count_that_differs_from_the_length_of_the_data_is_refused() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for (count, data) in [(8, 7), (8, 9), (0, 8), (u32::MAX, 8)] {
        let body = access(CONFIG, 0x10, count).raw(&vec![0xff; data]);
        client.request(command::REGION_WRITE, body).refused(EINVAL);
    }
    assert_eq!(
        client.read(CONFIG, 0x10, 8).data(),
        [4, 0, 0, 0, 0, 0, 0, 0]
    );
}

#[test]
fn short_and_long_region_accesses_are_refused() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for len in [0, 8, 15, 17] {
        let body = Bytes::new().raw(&access(CONFIG, 0, 4).raw(&[0]).0[..len]);
        client.request(command::REGION_READ, body).refused(EINVAL);
    }
    client
        .request(
            command::REGION_WRITE,
            &region_write(CONFIG, 0x10, &[0; 4])[..15],
        )
        .refused(EINVAL);
}

#[test]
fn more_than_the_largest_transfer_is_refused() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    client.read(0, 0, (1 << 20) + 1).refused(EINVAL);
    client.read(0, 0, u32::MAX).refused(EINVAL);
    client.reset();
}
