//! Tests of whole sessions like those of other clients: SPDK's (`lib/vfio_user/host`) and libvfio-user's
//! sample (`samples/client.c`).

use std::os::fd::AsFd;

use vfio_user_ism_tests::client::irq::{EVENTFD, MSI, NONE, TRIGGER};
use vfio_user_ism_tests::client::{
    access, command, dma_map, dma_unmap, region_write, set_irqs, version,
};
use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, IOVA, RAM_LEN, code, dmb, header, target};
use vfio_user_ism_tests::wire::{u32_at, u64_at};
use vfio_user_ism_tests::{Bytes, Client, Daemon, Eventfd, Ram};

/// Length of SPDK's requests, which include the rest of its page of 4096 bytes.
const SPDK_BODY: usize = 4064;

/// Builds a body of this length that begins with these words.
fn padded(words: &[u32], len: usize) -> Vec<u8> {
    let mut body: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    body.resize(len, 0);
    body
}

/// Runs a command of the function by BAR 2. Returns the second doubleword of its response.
#[track_caller]
fn run(client: &mut Client, number: u32, payload: &[u8]) -> u64 {
    if !payload.is_empty() {
        let write = region_write(2, 8, payload);
        client.request(command::REGION_WRITE, write).ok();
    }
    let head = header(number, 8 + payload.len() as u16);
    let write = region_write(2, 0, &head);
    client.request(command::REGION_WRITE, write).ok();
    let response = client
        .request(command::REGION_READ, access(2, 0, 16))
        .data();
    assert_eq!(response[4..6], [0, 0], "command {number}");
    u64::from_be_bytes(response[8..].try_into().unwrap())
}

#[test]
fn a_session_of_spdks_client() {
    let daemon = Daemon::start();
    let ram = Ram::new(RAM_LEN);
    let mut client = Client::connect(&daemon.only());
    let text = r#"{"capabilities":{"max_msg_fds":8,"max_data_xfer_size":1048576}}"#;
    client.request(command::VERSION, version(0, 0, text)).ok();
    let info = client.request(command::GET_INFO, padded(&[16], 16)).ok();
    let regions = u32_at(&info, 8);
    for index in 0..regions {
        let body = padded(&[SPDK_BODY as u32, 0, index], SPDK_BODY);
        let info = client.request(command::GET_REGION_INFO, body).ok();
        assert_eq!(u32_at(&info, 8), index);
        assert!(u32_at(&info, 0) as usize <= info.len());
    }
    // Ranges are mapped and unmapped, each time with a descriptor.
    for round in 0..4 {
        let map = dma_map(IOVA, RAM_LEN, 0);
        client
            .request_with(command::DMA_MAP, map, &[ram.as_fd()])
            .ok();
        if round == 0 {
            run(&mut client, code::REG_SBA, &IOVA.to_be_bytes());
            let gid = run(&mut client, code::READ_GID, &[]);
            let token = run(
                &mut client,
                code::REG_DMB,
                &dmb(IOVA + DMB, 4096, FIRST_INDEX, gid),
            );
            let write = region_write(0, target(token, 0, true, 8), &[9; 40]);
            client.request(command::REGION_WRITE, write).ok();
            assert_eq!(ram.read(DMB + 8, 40), [9; 40]);
        }
        let unmap = dma_unmap(0, IOVA, RAM_LEN);
        let reply = client.request_with(command::DMA_UNMAP, &unmap, &[ram.as_fd()]);
        assert_eq!(reply.ok(), unmap);
    }
    drop(client);
    assert_eq!(daemon.stop().function("ism0")["refused_messages"], 0);
}

#[test]
fn a_session_of_libvfio_users_sample_client() {
    let daemon = Daemon::start();
    let ram = Ram::new(RAM_LEN);
    let mut client = Client::connect(&daemon.only());
    let text = r#"{"capabilities":{"max_msg_fds":8,"max_data_xfer_size":1048576,"migration":{"pgsize":4096}}}"#;
    client.request(command::VERSION, version(0, 0, text)).ok();
    client.request(command::RESET, []).ok();
    let info = client.request(command::GET_INFO, padded(&[16], 16)).ok();
    for index in 0..u32_at(&info, 8) {
        // Once for the size, once with that size.
        let first = client
            .request(command::GET_REGION_INFO, padded(&[32, 0, index], 32))
            .ok();
        let argsz = u32_at(&first, 0);
        let body = padded(&[argsz, 0, index], argsz as usize);
        let whole = client.request(command::GET_REGION_INFO, body).ok();
        assert_eq!(whole.len(), argsz as usize);
        if u64_at(&whole, 16) > 0 {
            let body = padded(&[512, 0, index], 512);
            let fds = client.request(command::GET_REGION_IO_FDS, body).ok();
            assert_eq!(u32_at(&fds, 12), 0);
        }
    }
    for index in 0..5 {
        let body = padded(&[16, 0, index], 16);
        client.request(command::GET_IRQ_INFO, body).ok();
    }
    let eventfd = Eventfd::new();
    let body = set_irqs(EVENTFD | TRIGGER, MSI, 0, 1, &[]);
    client
        .request_with(command::SET_IRQS, body, &[eventfd.as_fd()])
        .ok();
    let body = set_irqs(NONE | TRIGGER, MSI, 0, 1, &[]);
    client.request(command::SET_IRQS, body).ok();
    assert_eq!(eventfd.take(), 1);
    // In 2026, libvfio-user added access flags for every descriptor.
    let pages = RAM_LEN / 4096;
    for page in 0..pages {
        let (iova, offset) = (IOVA + page * 4096, page * 4096);
        let map = Bytes::new().u32(32).u32(7).u64(offset).u64(iova).u64(4096);
        client
            .request_with(command::DMA_MAP, map, &[ram.as_fd()])
            .ok();
    }
    run(&mut client, code::REG_SBA, &IOVA.to_be_bytes());
    let gid = run(&mut client, code::READ_GID, &[]);
    let token = run(
        &mut client,
        code::REG_DMB,
        &dmb(IOVA + DMB, 8192, FIRST_INDEX, gid),
    );
    let write = region_write(0, target(token, 0, true, 3800), &[7; 200]);
    client.request(command::REGION_WRITE, write).ok();
    eventfd.wait();
    assert_eq!(ram.read(DMB + 3800, 200), [7; 200]);
    for page in 0..pages {
        let unmap = dma_unmap(0, IOVA + page * 4096, 4096);
        assert_eq!(client.request(command::DMA_UNMAP, &unmap).ok(), unmap);
    }
    drop(client);
    assert_eq!(daemon.stop().function("ism0")["refused_messages"], 0);
}
