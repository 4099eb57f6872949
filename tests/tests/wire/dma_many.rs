//! Tests of thousands of small maps, as a guest with an IOMMU creates them.

use std::os::fd::AsFd;

use vfio_user_ism_tests::client::{command, dma_map};
use vfio_user_ism_tests::driver::{IOVA, code};
use vfio_user_ism_tests::errno::EINVAL;
use vfio_user_ism_tests::wire::{message, u64_at};
use vfio_user_ism_tests::{Bytes, Client, Daemon, Driver, Ram, Via};

const PAGES: u64 = 8000;
const PAGE: u64 = 4096;

/// Maps every page of `ram` by a separate message, at addresses two pages apart.
fn map_all(client: &mut Client, ram: &Ram, iova: u64) {
    // The messages go in batches, so that neither side's socket buffer fills up while nobody reads.
    for batch in (0..PAGES).collect::<Vec<_>>().chunks(50) {
        for page in batch {
            let body = dma_map(iova + page * 2 * PAGE, PAGE, page * PAGE);
            let id = *page as u16;
            client
                .wire
                .send_with_fds(&message(id, command::DMA_MAP, 0, &body), &[ram.as_fd()]);
        }
        for page in batch {
            client.reply_to(*page as u16).ok();
        }
    }
}

/// Returns the numbers of the server's open descriptors and mappings of guest memory.
fn resources(daemon: &Daemon) -> (usize, usize) {
    let open = std::fs::read_dir(format!("/proc/{}/fd", daemon.pid()))
        .unwrap()
        .count();
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", daemon.pid())).unwrap();
    (open, maps.matches("guest-ram").count())
}

#[test]
fn many_maps_of_one_file_take_one_mapping_and_at_most_one_descriptor() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let ram = Ram::new(PAGES * PAGE);
    let (open, _) = resources(&daemon);
    map_all(&mut client, &ram, IOVA);
    let (now_open, mappings) = resources(&daemon);
    assert_eq!(mappings, 1);
    assert!(
        now_open <= open + 1,
        "{now_open} descriptors, {open} before"
    );

    client.unmap(IOVA + PAGE, 2 * PAGE).ok();
    client.unmap(IOVA + PAGE / 2, 2 * PAGE).refused(EINVAL);
    let rest = client.unmap(IOVA, PAGES * 2 * PAGE).ok();
    assert_eq!(u64_at(&rest, 16), (PAGES - 1) * PAGE);
    assert_eq!(resources(&daemon), (open, 0));
}

#[test]
fn each_mapped_file_has_its_own_mapping() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let files: Vec<_> = (0..3).map(|_| Ram::new(4 * PAGE)).collect();
    for (at, ram) in (0..).zip(&files) {
        client.map(IOVA + at * PAGE, PAGE, ram, PAGE).ok();
        client.map(IOVA + (at + 3) * PAGE, PAGE, ram, 2 * PAGE).ok();
    }
    assert_eq!(resources(&daemon).1, 3);
    client.unmap(IOVA, PAGE).ok();
    assert_eq!(resources(&daemon).1, 3);
    client.unmap(IOVA + 3 * PAGE, PAGE).ok();
    assert_eq!(resources(&daemon).1, 2);
}

#[test]
fn a_buffer_may_lie_in_scattered_pages() {
    let daemon = Daemon::start();
    let mut driver = Driver::probe(&daemon.only(), Via::Bar);
    let iova = 0x9_0000_0000;
    // The buffer's first page is the file's last, and the reverse.
    for page in 0..4 {
        driver
            .client
            .map(iova + page * PAGE, PAGE, &driver.ram, (103 - page) * PAGE)
            .ok();
    }
    let gid = driver.gid();
    let payload = vfio_user_ism_tests::driver::dmb(iova, 4 * PAGE as u32, 32, gid);
    let token = driver.run(code::REG_DMB, payload).number();
    for page in 0..4_u8 {
        driver
            .put(token + u64::from(page) * PAGE, &[page + 1; PAGE as usize])
            .ok();
    }
    for page in 0..4 {
        assert_eq!(driver.ram.read((103 - page) * PAGE, 1), [page as u8 + 1]);
    }
    assert_eq!(resources(&daemon).1, 1);
    let hole = Bytes::new().be64(iova + 4 * PAGE);
    driver.run(code::UNREG_SBA, []).ok();
    driver.run(code::REG_SBA, hole).failed();
}
