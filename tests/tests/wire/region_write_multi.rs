//! Tests of REGION_WRITE_MULTI: up to 8 bytes each, in order, as QEMU coalesces posted writes.

use vfio_user_ism_tests::client::{CONFIG, command, write_multi};
use vfio_user_ism_tests::driver::{code, header};
use vfio_user_ism_tests::errno::EINVAL;
use vfio_user_ism_tests::{Bytes, Daemon, Driver, Via};

#[test]
fn writes_of_one_message_are_carried_out_in_order() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let reply = client.write_multi(&[
        (CONFIG, 0x3c, &[1]),
        (CONFIG, 0x10, &[0xff; 8]),
        (CONFIG, 0x3c, &[2]),
    ]);
    assert_eq!(
        reply.ok(),
        Bytes::new().u64(3).0,
        "the number of writes completed"
    );
    assert_eq!(client.read(CONFIG, 0x3c, 1).data(), [2]);
    assert_eq!(
        client.read(CONFIG, 0x10, 8).data(),
        [4, 0, 0, 0, 0, 0, 0xff, 0xff]
    );
}

#[test]
fn a_command_may_come_in_one_message() {
    let daemon = Daemon::start();
    let mut driver = Driver::attach(&daemon.only(), Via::Bar);
    let payload = 0x1fff_u64.to_be_bytes();
    driver
        .client
        .write_multi(&[(2, 8, &payload), (2, 0, &header(code::ADD_VLAN_ID, 16))])
        .ok();
    driver.response().ok();
}

#[test]
fn bad_multi_write_requests_are_refused_whole() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let one = write_multi(&[(CONFIG, 0x3c, &[1])]);
    let with_count = |count: u32| {
        let mut body = one.clone();
        body[20..24].copy_from_slice(&count.to_ne_bytes());
        body
    };
    let many = write_multi(&vec![(CONFIG, 0x3c, &[1][..]); 20_000]);
    for body in [
        vec![],
        Bytes::new().u64(0).0,
        Bytes::new().u64(u64::MAX).0,
        one[..one.len() - 1].to_vec(),
        [&one[..], &[0]].concat(),
        with_count(0),
        with_count(9),
        many,
    ] {
        client.request(command::WRITE_MULTI, body).refused(EINVAL);
    }
    assert_eq!(client.read(CONFIG, 0x3c, 1).data(), [0]);
}

#[test]
fn a_refused_write_stops_no_other_and_is_not_counted() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let reply = client.write_multi(&[
        (CONFIG, 0x3c, &[1]),
        (6, 0, &[0]),
        (10, 0, &[0]),
        (CONFIG, 0x3c, &[9]),
    ]);
    assert_eq!(reply.ok(), Bytes::new().u64(2).0);
    assert_eq!(client.read(CONFIG, 0x3c, 1).data(), [9]);
    // If no write was carried out, the answer is an error.
    client
        .write_multi(&[(6, 0, &[0]), (10, 0, &[0])])
        .refused(EINVAL);
    drop(client);
    let stopped = daemon.stop();
    assert_eq!(stopped.function("ism0")["refused_messages"], 4);
    let reasons: Vec<_> = stopped
        .events_named("refused-request")
        .map(|event| event["reason"].as_str().unwrap().to_owned())
        .collect();
    for (at, count, reason) in [(2, 4, &reasons[0]), (1, 4, &reasons[1])] {
        let front = format!("write {at} of {count}: region");
        assert!(reason.starts_with(&front), "{reason}");
    }
}
