//! Tests with the client of the `vfio_user` crate, an independent implementation.

use std::os::fd::{AsFd, AsRawFd};

use vfio_user::Client;
use vfio_user_ism_tests::client::irq::{EVENTFD, MSI, MSIX, TRIGGER};
use vfio_user_ism_tests::client::{CONFIG, ZPCI};
use vfio_user_ism_tests::driver::{IOVA, RAM_LEN, code, header};
use vfio_user_ism_tests::{Daemon, Eventfd, Ram};

#[test]
fn the_foreign_client_agrees_on_a_version_and_finds_the_regions() {
    let daemon = Daemon::start();
    let client = Client::new(&daemon.only()).unwrap();
    // The test does not use its `resettable`, because version 0.1.7 reports the opposite of the flag.
    let size = |index| {
        client
            .region(index)
            .map(|region| (region.flags & 7, region.size))
    };
    assert_eq!(size(0), Some((3, 1 << 48)));
    assert_eq!(size(2), Some((3, 4096)));
    assert_eq!(size(CONFIG), Some((3, 256)));
    assert_eq!(size(ZPCI).map(|(flags, _)| flags), Some(3));
}

#[test]
fn the_foreign_client_reads_and_writes_regions() {
    let daemon = Daemon::start();
    let mut client = Client::new(&daemon.only()).unwrap();
    let mut ids = [0; 4];
    client.region_read(CONFIG, 0, &mut ids).unwrap();
    assert_eq!(ids, [0x14, 0x10, 0xed, 0x04]);
    client.region_write(CONFIG, 0x3c, &[9]).unwrap();
    let mut line = [0];
    client.region_read(CONFIG, 0x3c, &mut line).unwrap();
    assert_eq!(line, [9]);
    client.reset().unwrap();
    client.region_read(CONFIG, 0x3c, &mut line).unwrap();
    assert_eq!(line, [0]);
}

#[test]
fn the_foreign_client_runs_a_command_with_memory_and_an_interrupt() {
    let daemon = Daemon::start();
    let mut client = Client::new(&daemon.only()).unwrap();
    let ram = Ram::new(RAM_LEN);
    client
        .dma_map(0, IOVA, RAM_LEN, ram.as_fd().as_raw_fd())
        .unwrap();
    let irq = Eventfd::new();
    client
        .set_irqs(MSI, EVENTFD | TRIGGER, 0, 1, &[irq.as_fd().as_raw_fd()])
        .unwrap();
    for index in [MSI, MSIX] {
        assert_eq!(client.get_irq_info(index).unwrap().count, 1);
    }
    let mut run = |code: u32, payload: &[u8]| {
        if !payload.is_empty() {
            client.region_write(2, 8, payload).unwrap();
        }
        client
            .region_write(2, 0, &header(code, 8 + payload.len() as u16))
            .unwrap();
        let mut response = [0; 16];
        client.region_read(2, 0, &mut response).unwrap();
        assert_eq!(response[4..6], [0, 0], "command {code}");
        response[8..].to_vec()
    };
    let gid = run(code::READ_GID, &[]);
    run(code::REG_SBA, &IOVA.to_be_bytes());
    run(
        code::REG_IEQ,
        &[(IOVA + 4096).to_be_bytes(), 512_u64.to_be_bytes()].concat(),
    );
    let event = [
        &gid[..],
        &1_u32.to_be_bytes(),
        &0x80_u32.to_be_bytes(),
        &[0; 8],
    ]
    .concat();
    run(code::SIGNAL_IEQ, &event);
    assert_eq!(irq.wait(), 1);
    assert_eq!(ram.be(4096, 8), 1, "the queue's index");
    client.dma_unmap(IOVA, RAM_LEN).unwrap();
    client.shutdown().unwrap();
    daemon.wait_until_free();
}
