//! Tests of DMA_MAP: accepted and refused requests.

use std::os::fd::AsFd;

use vfio_user_ism_tests::client::{command, dma_map, irq};
use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, IOVA, RAM_LEN, code, target};
use vfio_user_ism_tests::errno::{EACCES, EEXIST, EINVAL};
use vfio_user_ism_tests::wire::{Bytes, Message};
use vfio_user_ism_tests::{Client, Daemon, Driver, Ram, Via};

/// Sends a DMA_MAP with these values in its fields.
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
        (32, 8, [0, IOVA, 4096]),
        (32, 12, [0, IOVA, 4096]),
        (32, 0x13, [0, IOVA, 4096]),
        (32, 3, [0, IOVA, 0]),
        (32, 3, [0, u64::MAX - 4094, 4096]),
        (32, 3, [u64::MAX - 4094, IOVA, 4096]),
    ] {
        map(&mut client, argsz, flags, words).refused(EINVAL);
    }
    map(&mut client, 32, 3, [0, IOVA, 4096]).ok();
}

/// Flags of a DMA_MAP: read and write, and the allowed access to the descriptor.
const READ_WRITE: u32 = 3;
const BY_MAPPING: u32 = 4;
const BY_FILE_IO: u32 = 8;

fn map_with(client: &mut Client, flags: u32, iova: u64, ram: &Ram) -> Message {
    let body = Bytes::new()
        .u32(32)
        .u32(flags)
        .u64(0)
        .u64(iova)
        .u64(RAM_LEN);
    client.request_with(command::DMA_MAP, body, &[ram.as_fd()])
}

#[test]
fn the_access_flags_take_a_descriptor() {
    let daemon = Daemon::start();
    let ram = Ram::new(RAM_LEN);
    let mut client = daemon.client();
    for access in [BY_MAPPING, BY_FILE_IO, BY_MAPPING | BY_FILE_IO] {
        map(&mut client, 32, READ_WRITE | access, [0, IOVA, 4096]).refused(EINVAL);
        map_with(&mut client, READ_WRITE | access, IOVA, &ram).ok();
        client.unmap(IOVA, RAM_LEN).ok();
    }
}

/// Number of mappings of memory files in a process.
fn mapped_memfds(pid: u32) -> usize {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    maps.lines()
        .filter(|line| line.contains("memfd:guest-ram"))
        .count()
}

#[test]
fn memory_for_file_io_only_is_used_and_never_mapped() {
    let daemon = Daemon::start();
    for (access, mappings) in [
        (BY_FILE_IO, 0),
        (BY_MAPPING, 1),
        (BY_MAPPING | BY_FILE_IO, 1),
    ] {
        let mut driver = Driver::attach(&daemon.only(), Via::Bar);
        driver.client.reset();
        driver.client.unmap(IOVA, RAM_LEN).ok();
        map_with(&mut driver.client, READ_WRITE | access, IOVA, &driver.ram).ok();
        assert_eq!(
            mapped_memfds(daemon.pid()),
            mappings,
            "access flags {access}"
        );
        driver.run(code::REG_SBA, Bytes::new().be64(IOVA)).ok();
        let irq = driver.client.eventfd(irq::MSI);
        let gid = driver.gid();
        let token = driver.register_dmb(4096, FIRST_INDEX, gid);
        // A neighbouring bit must survive.
        driver.ram.write(FIRST_INDEX as u64 / 8 + 4, &[0x40]);
        driver.put(target(token, 2, true, 16), &[7; 100]).ok();
        irq.wait();
        assert_eq!(driver.ram.read(DMB + 16, 100), [7; 100]);
        assert_eq!(driver.ram.read(FIRST_INDEX as u64 / 8 + 4, 1), [0xc0]);
        assert_eq!(driver.ram.read(0, 1), [0x80]);
        drop(driver);
        daemon.wait_until_free();
    }
}

#[test]
fn neither_iova_nor_offset_nor_size_must_be_aligned() {
    let daemon = Daemon::start();
    let ram = Ram::new(16384);
    let mut client = daemon.client();
    for (iova, size, offset) in [
        (IOVA + 0x800, 4096, 0),
        (IOVA + 0x2000, 4096, 0x801),
        (IOVA + 0x4001, 100, 3),
    ] {
        client.map(iova, size, &ram, offset).ok();
        client.unmap(iova, size).ok();
        client.map_without_fd(iova, size).ok();
    }
}

#[test]
fn bits_are_set_in_memory_at_an_odd_place_of_its_file() {
    let daemon = Daemon::start();
    let mut driver = Driver::attach(&daemon.only(), Via::Bar);
    let odd = Ram::new(RAM_LEN + 1);
    driver.client.unmap(IOVA, RAM_LEN).ok();
    driver.client.map(IOVA, RAM_LEN, &odd, 1).ok();
    driver.run(code::REG_SBA, Bytes::new().be64(IOVA)).ok();
    let irq = driver.client.eventfd(irq::MSI);
    let gid = driver.gid();
    let token = driver.register_dmb(4096, FIRST_INDEX, gid);
    driver.put(target(token, 3, true, 0), &[5; 16]).ok();
    irq.wait();
    assert_eq!(odd.read(1 + DMB, 16), [5; 16]);
    assert_eq!(odd.be(1 + 256 + 2 * u64::from(FIRST_INDEX), 2), 0x1000);
    assert_eq!(odd.read(1, 1), [0x80]);
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
