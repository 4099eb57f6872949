//! DMA_MAP: what is taken and what is refused.

use std::os::fd::AsFd;

use vfio_user_ism_tests::client::{command, dma_map};
use vfio_user_ism_tests::driver::{IOVA, code};
use vfio_user_ism_tests::errno::{EACCES, EEXIST, EINVAL};
use vfio_user_ism_tests::wire::{Bytes, Message};
use vfio_user_ism_tests::{Client, Daemon, Driver, Ram, Via};

/// A DMA_MAP with every field as told.
fn map(client: &mut Client, argsz: u32, flags: u32, words: [u64; 3]) -> Message {
    let fixed = Bytes::new().u32(argsz).u32(flags);
    let body = words.into_iter().fold(fixed, Bytes::u64);
    client.request(command::DMA_MAP, body)
}

#[test]
fn a_map_reply_has_no_payload() {
    let daemon = Daemon::start();
    let ram = Ram::new(8192);
    let mut client = daemon.client();
    assert!(client.map(IOVA, 4096, &ram, 4096).ok().is_empty());
    assert!(client.map_without_fd(IOVA + 4096, 4096).ok().is_empty());
}

#[test]
fn short_and_long_map_requests_are_refused() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let body = dma_map(IOVA, 4096, 0);
    for len in [0, 4, 31] {
        client
            .request(command::DMA_MAP, &body[..len])
            .refused(EINVAL);
    }
    client
        .request(command::DMA_MAP, [&body[..], &[0]].concat())
        .refused(EINVAL);
    client.map_without_fd(IOVA, 4096).ok();
}

#[test]
fn maps_with_bad_fields_are_refused() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for (argsz, flags, words) in [
        (31, 3, [0, IOVA, 4096]),
        (32, 0, [0, IOVA, 4096]),
        (32, 4, [0, IOVA, 4096]),
        (32, 3, [0, IOVA, 0]),
        (32, 3, [0, u64::MAX - 4094, 4096]),
        (32, 3, [u64::MAX - 4094, IOVA, 4096]),
    ] {
        map(&mut client, argsz, flags, words).refused(EINVAL);
    }
    map(&mut client, 32, 3, [0, IOVA, 4096]).ok();
}

#[test]
fn a_map_over_another_is_eexist_and_changes_nothing() {
    let daemon = Daemon::start();
    let ram = Ram::new(16384);
    let mut client = daemon.client();
    client.map(IOVA, 8192, &ram, 0).ok();
    for (iova, size) in [
        (IOVA, 8192),
        (IOVA + 4096, 4096),
        (IOVA - 4096, 8192),
        (IOVA - 4096, 16384),
    ] {
        client.map(iova, size, &ram, 0).refused(EEXIST);
        client.map_without_fd(iova, size).refused(EEXIST);
    }
    client.map(IOVA + 8192, 4096, &ram, 0).ok();
    client.map(IOVA - 4096, 4096, &ram, 0).ok();
}

#[test]
fn descriptors_that_are_not_that_memory_are_refused() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    client.map(IOVA, 8192, &Ram::new(4096), 0).refused(EINVAL);
    client
        .map(IOVA, 4096, &Ram::new(8192), 8192)
        .refused(EINVAL);
    let (pipe, _other_end) = rustix::pipe::pipe().unwrap();
    let socket = client.wire.as_fd().try_clone_to_owned().unwrap();
    for fd in [pipe, socket] {
        let reply = client.request_with(command::DMA_MAP, dma_map(IOVA, 4096, 0), &[fd.as_fd()]);
        assert!(reply.errno().is_some());
    }
    client.map(IOVA, 4096, &Ram::new(4096), 0).ok();
}

#[test]
fn a_read_only_descriptor_cannot_be_mapped_writable() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ram");
    std::fs::write(&path, [0; 4096]).unwrap();
    let file = std::fs::File::open(path).unwrap();
    client
        .request_with(command::DMA_MAP, dma_map(IOVA, 4096, 0), &[file.as_fd()])
        .refused(EACCES);
}

#[test]
fn two_descriptors_are_refused() {
    let daemon = Daemon::start();
    let ram = Ram::new(4096);
    let mut client = daemon.client();
    let both = [ram.as_fd(), ram.as_fd()];
    client
        .request_with(command::DMA_MAP, dma_map(IOVA, 4096, 0), &both)
        .refused(EINVAL);
    client.map(IOVA, 4096, &ram, 0).ok();
}

#[test]
fn memory_that_is_not_writable_takes_no_sba() {
    let daemon = Daemon::start();
    let mut driver = Driver::attach(&daemon.only(), Via::Bar);
    let iova = 0x2_0000_0000;
    map(&mut driver.client, 32, 1, [0, iova, 4096]).ok();
    driver.run(code::REG_SBA, Bytes::new().be64(iova)).failed();
    driver
        .run(code::REG_SBA, Bytes::new().be64(iova + 4096))
        .failed();
    driver.run(code::REG_SBA, Bytes::new().be64(IOVA)).ok();
}
