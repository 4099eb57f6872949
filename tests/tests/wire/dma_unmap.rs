//! Tests of DMA_UNMAP: whole maps, several at once, all of them, never a part of one.

use std::os::fd::AsFd;

use vfio_user_ism_tests::client::{command, dma_unmap};
use vfio_user_ism_tests::driver::{IOVA, RAM_LEN, code};
use vfio_user_ism_tests::errno::{EINVAL, EOPNOTSUPP};
use vfio_user_ism_tests::wire::{Bytes, u64_at};
use vfio_user_ism_tests::{Daemon, Driver, Ram, Via};

/// Returns the number of unmapped bytes in a reply.
#[track_caller]
fn unmapped(body: &[u8]) -> u64 {
    assert_eq!(body.len(), 24);
    u64_at(body, 16)
}

#[test]
fn an_unmap_reply_repeats_the_request() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    client.map(IOVA, 8192, &Ram::new(8192), 0).ok();
    assert_eq!(client.unmap(IOVA, 8192).ok(), dma_unmap(0, IOVA, 8192));
}

#[test]
fn unmapped_memory_cannot_be_used_and_can_be_mapped_again() {
    let daemon = Daemon::start();
    let mut driver = Driver::attach(&daemon.only(), Via::Bar);
    driver.client.unmap(IOVA, RAM_LEN).ok();
    driver.run(code::REG_SBA, Bytes::new().be64(IOVA)).failed();
    driver.client.map(IOVA, RAM_LEN, &driver.ram, 0).ok();
    driver.run(code::REG_SBA, Bytes::new().be64(IOVA)).ok();
}

#[test]
fn one_unmap_may_span_several_maps_and_holes() {
    let daemon = Daemon::start();
    let ram = Ram::new(16384);
    let mut client = daemon.client();
    for page in [0, 1, 3] {
        client.map(IOVA + page * 4096, 4096, &ram, page * 4096).ok();
    }
    assert_eq!(unmapped(&client.unmap(IOVA, 16384).ok()), 3 * 4096);
    client.map(IOVA, 16384, &ram, 0).ok();
}

#[test]
fn an_unmap_that_cuts_a_map_is_refused_and_removes_nothing() {
    let daemon = Daemon::start();
    let ram = Ram::new(16384);
    let mut client = daemon.client();
    client.map(IOVA, 8192, &ram, 0).ok();
    client.map(IOVA + 8192, 8192, &ram, 8192).ok();
    for (iova, size) in [
        (IOVA, 4096),
        (IOVA + 4096, 4096),
        (IOVA, 12288),
        (IOVA + 4096, 12288),
    ] {
        client.unmap(iova, size).refused(EINVAL);
    }
    assert_eq!(unmapped(&client.unmap(IOVA, 16384).ok()), 16384);
}

#[test]
fn an_unmap_of_nothing_reports_nothing_unmapped() {
    let daemon = Daemon::start();
    assert_eq!(unmapped(&daemon.client().unmap(IOVA, 4096).ok()), 0);
}

#[test]
fn one_unmap_removes_all_maps() {
    let daemon = Daemon::start();
    let ram = Ram::new(8192);
    let mut client = daemon.client();
    for iova in [0, 1 << 40] {
        client.map(iova, 4096, &ram, 0).ok();
    }
    client
        .request(command::DMA_UNMAP, dma_unmap(2, 0, 4096))
        .refused(EINVAL);
    client.request(command::DMA_UNMAP, dma_unmap(2, 0, 0)).ok();
    for iova in [0, 1 << 40] {
        client.map(iova, 4096, &ram, 0).ok();
    }
}

#[test]
fn descriptors_that_come_with_dma_unmap_are_closed() {
    let daemon = Daemon::start();
    let ram = Ram::new(4096);
    let mut client = daemon.client();
    let open = || {
        std::fs::read_dir(format!("/proc/{}/fd", daemon.pid()))
            .unwrap()
            .count()
    };
    let before = open();
    for fds in [&[ram.as_fd()][..], &[ram.as_fd(), ram.as_fd()]] {
        client.map(IOVA, 4096, &ram, 0).ok();
        let body = dma_unmap(0, IOVA, 4096);
        let reply = client.request_with(command::DMA_UNMAP, &body, fds);
        assert_eq!(reply.ok(), body);
    }
    assert_eq!(open(), before);
}

#[test]
fn bad_unmap_requests_are_refused() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    client.map_without_fd(IOVA, 4096).ok();
    let body = dma_unmap(0, IOVA, 4096);
    for len in [0, 8, 23] {
        client
            .request(command::DMA_UNMAP, &body[..len])
            .refused(EINVAL);
    }
    for (flags, iova, size) in [(0, IOVA, 0), (4, IOVA, 4096), (0, u64::MAX, 2)] {
        client
            .request(command::DMA_UNMAP, dma_unmap(flags, iova, size))
            .refused(EINVAL);
    }
    let small = Bytes::new().u32(8).raw(&body[4..]);
    client.request(command::DMA_UNMAP, small).refused(EINVAL);
    client
        .request(command::DMA_UNMAP, dma_unmap(1, IOVA, 4096))
        .refused(EOPNOTSUPP);
    assert_eq!(unmapped(&client.unmap(IOVA, 4096).ok()), 4096);
}
