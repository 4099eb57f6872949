//! Tests of DEVICE_RESET: the device forgets its state, the connection does not.

use vfio_user_ism_tests::client::{CONFIG, command};
use vfio_user_ism_tests::driver::{FIRST_INDEX, IOVA, code, target};
use vfio_user_ism_tests::errno::{EINVAL, EIO};
use vfio_user_ism_tests::{Bytes, Daemon, Driver, Via};

#[test]
fn a_reset_removes_registrations_and_dmbs() {
    let daemon = Daemon::start();
    let mut driver = Driver::probe(&daemon.only(), Via::Bar);
    let gid = driver.gid();
    let token = driver.register_dmb(4096, FIRST_INDEX, gid);
    driver.put(target(token, 0, false, 0), &[1]).ok();
    driver.client.reset();
    driver.put(target(token, 0, false, 0), &[2]).refused(EIO);
    let info = driver.run(code::QUERY_INFO, []).ok();
    // SBA and event queue are at 32 and 40 of the response, the number of DMBs at 56; its header has 8 bytes.
    assert_eq!(info[24..40], [0; 16]);
    assert_eq!(info[48..52], [0; 4]);
}

#[test]
fn a_reset_restores_the_config_space() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let fresh = client.read(CONFIG, 0, 256).data();
    client.write(CONFIG, 0, &[0xff; 256]).ok();
    assert_ne!(client.read(CONFIG, 0, 256).data(), fresh);
    client.reset();
    assert_eq!(client.read(CONFIG, 0, 256).data(), fresh);
}

#[test]
fn a_reset_keeps_maps_and_interrupts() {
    let daemon = Daemon::start();
    let mut driver = Driver::probe(&daemon.only(), Via::Bar);
    driver.client.reset();
    driver.register();
    let gid = driver.gid();
    let signal = Bytes::new().be64(gid).be32(1).be32(0x80).be64(0);
    driver.run(code::SIGNAL_IEQ, signal).ok();
    assert_eq!(driver.irq.wait(), 1);
    driver
        .client
        .map(IOVA, 4096, &driver.ram, 0)
        .errno()
        .expect("the map is still there");
}

#[test]
fn a_reset_with_a_body_is_refused() {
    let daemon = Daemon::start();
    daemon.client().request(command::RESET, [0]).refused(EINVAL);
}
