//! Tests that a client cannot kill the server by truncating its memory.

use vfio_user_ism_tests::driver::{FIRST_INDEX, IOVA, code, dmb, target};
use vfio_user_ism_tests::errno::EIO;
use vfio_user_ism_tests::{Bytes, Daemon, Driver, Ram, Via};

#[test]
fn a_store_into_truncated_memory_fails_and_the_server_lives() {
    let mut daemon = Daemon::start();
    let mut driver = Driver::probe(&daemon.only(), Via::Bar);
    let iova = 0x9_0000_0000;
    let ram = Ram::unsealed(16384);
    driver.client.map(iova, 16384, &ram, 0).ok();
    let gid = driver.gid();
    let token = driver
        .run(code::REG_DMB, dmb(iova, 16384, FIRST_INDEX, gid))
        .number();
    driver.put(target(token, 0, false, 8192), &[1; 4096]).ok();
    assert_eq!(ram.read(8192, 4096), [1; 4096]);

    ram.resize(4096);
    driver
        .put(target(token, 0, false, 8192), &[2; 4096])
        .refused(EIO);
    driver.put(target(token, 0, false, 0), &[3; 8]).ok();
    assert_eq!(ram.read(0, 8), [3; 8]);
    ram.resize(16384);
    driver.put(target(token, 0, false, 8192), &[4; 8]).ok();
    assert!(daemon.is_alive());
    assert_eq!(ram.read(8192, 8), [4; 8]);
}

#[test]
fn signals_to_a_truncated_sba_fail_and_the_server_lives() {
    let mut daemon = Daemon::start();
    let mut driver = Driver::attach(&daemon.only(), Via::Bar);
    let iova = 0x9_0000_0000;
    let ram = Ram::unsealed(8192);
    driver.client.map(iova, 8192, &ram, 0).ok();
    driver.run(code::REG_SBA, Bytes::new().be64(iova)).ok();
    driver
        .run(code::REG_IEQ, Bytes::new().be64(iova + 4096).be64(512))
        .ok();
    let gid = driver.gid();
    let token = driver
        .run(code::REG_DMB, dmb(IOVA, 4096, FIRST_INDEX, gid))
        .number();
    ram.resize(0);
    driver.put(target(token, 0, true, 0), &[1; 8]);
    driver
        .run(
            code::SIGNAL_IEQ,
            Bytes::new().be64(gid).be32(1).be32(0x80).be64(0),
        )
        .failed();
    assert!(daemon.is_alive());
    driver.client.reset();
}
