//! Tests of PCISTG through the zPCI I/O region: refused in the data space, and noted in the command space.

use vfio_user_ism_tests::client::ZPCI;
use vfio_user_ism_tests::driver::{
    DMB, FIRST_INDEX, IOVA, code, header, pcilg, target, zpci_request,
};
use vfio_user_ism_tests::errno::{EINVAL, EIO};
use vfio_user_ism_tests::{Client, Daemon, Driver, Via};

/// Issues a PCISTG. Returns the errno of a refusal.
fn pcistg(client: &mut Client, pcias: u8, offset: u64, data: &[u8]) -> Option<u32> {
    let request = zpci_request(4, 0, pcias, offset, data.len() as u16);
    client.write(ZPCI, 16, &request.raw(data).0).errno()
}

#[test]
fn a_register_store_never_reaches_the_data_space() {
    let daemon = Daemon::start();
    let mut driver = Driver::probe(&daemon.only(), Via::Channel);
    let gid = driver.gid();
    let token = driver.register_dmb(0x4000, FIRST_INDEX, gid);
    let channel = driver.channel.as_mut().unwrap();
    assert_eq!(
        pcistg(channel, 0, target(token, 0, true, 0), &[1; 8]),
        Some(EIO)
    );
    assert_eq!(driver.irq.take(), 0);
    assert_eq!(driver.ram.read(DMB, 8), [0; 8]);
    drop(driver);
    let stopped = daemon.stop();
    assert_eq!(stopped.rules(), ["pcistg-to-data-bar"]);
}

#[test]
fn register_stores_to_the_command_space_are_carried_out_and_noted() {
    let daemon = Daemon::start();
    let mut client = Client::open(&daemon.channel("ism0"));
    // A header in one PCISTG is a normal command.
    assert_eq!(pcistg(&mut client, 2, 0, &header(code::READ_GID, 8)), None);
    assert_eq!(
        pcilg(&mut client, 2, 0, 8).unwrap(),
        [0, 0, 0, 3, 0, 0, 0, 16]
    );
    assert_eq!(
        pcilg(&mut client, 2, 8, 8).unwrap(),
        [0x15, 0, 0, 0, 0, 0, 0, 1]
    );
    for (offset, len) in [(0, 9), (7, 2), (12, 8)] {
        assert_eq!(pcistg(&mut client, 2, offset, &vec![0; len]), Some(EINVAL));
    }
    let without_payload = zpci_request(4, IOVA, 2, 8, 8);
    client.write(ZPCI, 16, &without_payload.0).refused(EINVAL);
    drop(client);
    let stopped = daemon.stop();
    assert_eq!(stopped.rules(), ["plain-store"]);
    assert_eq!(stopped.function("ism0")["rules"][0]["violations"], 1);
}
