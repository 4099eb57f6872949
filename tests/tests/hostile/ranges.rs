//! Tests of ranges that overlap, wrap, touch or leave gaps, of sizes that exceed the data, and of files with
//! unusual open flags.

use std::fs::OpenOptions;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

use vfio_user_ism_tests::client::irq::{BOOL, EVENTFD, MSI, NONE, TRIGGER};
use vfio_user_ism_tests::client::{CONFIG, command, dma_map, dma_unmap, set_irqs, write_multi};
use vfio_user_ism_tests::driver::{FIRST_INDEX, IOVA, RAM_LEN, code, dmb, target};
use vfio_user_ism_tests::errno::{EACCES, EEXIST, EINVAL, EIO, ENOTTY};
use vfio_user_ism_tests::wire::{u32_at, u64_at};
use vfio_user_ism_tests::{Bytes, Client, Daemon, Driver, Eventfd, Ram, Via};

const PAGE: u64 = 4096;

/// Maps a range without a descriptor. Returns 0 or the errno.
fn map(client: &mut Client, iova: u64, size: u64) -> u32 {
    client.map_without_fd(iova, size).errno().unwrap_or(0)
}

/// Unmaps a range. Returns the number of bytes, or the errno.
fn unmap(client: &mut Client, iova: u64, size: u64) -> Result<u64, u32> {
    let reply = client.unmap(iova, size);
    match reply.errno() {
        None => Ok(u64_at(&reply.body, 16)),
        Some(errno) => Err(errno),
    }
}

#[test]
fn maps_that_overlap_in_any_way_are_refused_and_neighbours_are_not() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    assert_eq!(map(&mut client, IOVA, 4 * PAGE), 0);
    for (what, iova, size) in [
        ("the same", IOVA, 4 * PAGE),
        ("inside", IOVA + PAGE, PAGE),
        ("around", IOVA - PAGE, 6 * PAGE),
        ("the first byte", IOVA - PAGE, PAGE + 1),
        ("the last byte", IOVA + 4 * PAGE - 1, PAGE),
        ("everything", 0, u64::MAX),
        ("up to the end", IOVA, u64::MAX - IOVA),
    ] {
        assert_eq!(map(&mut client, iova, size), EEXIST, "{what}");
    }
    for (iova, size) in [
        (IOVA - PAGE, PAGE),
        (IOVA + 4 * PAGE, PAGE),
        (0, 1),
        (u64::MAX, 1),
        (u64::MAX - PAGE, PAGE),
    ] {
        assert_eq!(map(&mut client, iova, size), 0, "{iova:#x}, {size:#x}");
    }
}

#[test]
fn the_whole_address_space_is_a_range_and_one_more_byte_is_not() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    assert_eq!(map(&mut client, 0, u64::MAX), 0);
    assert_eq!(map(&mut client, u64::MAX, 1), 0);
    assert_eq!(map(&mut client, IOVA, PAGE), EEXIST);
    for (iova, size) in [
        (u64::MAX, 2),
        (2, u64::MAX),
        (u64::MAX - 1, 3),
        (IOVA, u64::MAX),
    ] {
        assert_eq!(map(&mut client, iova, size), EINVAL, "{iova:#x}");
        assert_eq!(unmap(&mut client, iova, size), Err(EINVAL), "{iova:#x}");
    }
    // A part of a map cannot be unmapped, whatever its size.
    assert_eq!(unmap(&mut client, IOVA, PAGE), Err(EINVAL));
    assert_eq!(unmap(&mut client, 0, u64::MAX), Ok(u64::MAX));
    assert_eq!(unmap(&mut client, u64::MAX, 1), Ok(1));
    assert_eq!(map(&mut client, IOVA, PAGE), 0);
}

#[test]
fn the_bytes_that_all_maps_have_together_may_pass_the_largest_number() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    assert_eq!(map(&mut client, 0, u64::MAX), 0);
    assert_eq!(map(&mut client, u64::MAX, 1), 0);
    // 2^64 bytes in all do not fit into the reply.
    let body = client.request(command::DMA_UNMAP, dma_unmap(2, 0, 0)).ok();
    assert_eq!(body.len(), 24);
    assert_eq!(map(&mut client, 0, u64::MAX), 0);
}

#[test]
fn a_file_must_hold_the_range_it_is_sent_for() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let ram = Ram::new(2 * PAGE);
    let mut try_map =
        |iova, size, offset| client.map(iova, size, &ram, offset).errno().unwrap_or(0);
    for (size, offset) in [
        (3 * PAGE, 0),
        (PAGE, 2 * PAGE),
        (PAGE, PAGE + 1),
        (2 * PAGE, PAGE),
        (1, 2 * PAGE),
        (PAGE, u64::MAX - PAGE),
        (PAGE, u64::MAX),
        (u64::MAX / 2, 0),
        (PAGE, i64::MAX as u64),
        (PAGE, i64::MAX as u64 - PAGE),
    ] {
        assert_eq!(
            try_map(IOVA, size, offset),
            EINVAL,
            "{size:#x} at {offset:#x}"
        );
    }
    assert_eq!(try_map(IOVA, 1, 2 * PAGE - 1), 0);
    assert_eq!(try_map(IOVA + 1, 2 * PAGE, 0), 0);
}

#[test]
fn a_buffer_must_lie_in_maps_without_a_gap() {
    let daemon = Daemon::start();
    let mut driver = Driver::attach(&daemon.only(), Via::Bar);
    driver.register();
    let (gid, start) = (driver.gid(), 0x40_0000_0000);
    let ram = driver.ram.as_fd().try_clone_to_owned().unwrap();
    // Three maps hold one buffer of a page, with seams at unaligned places.
    let lend = |driver: &mut Driver, from: u64, to: u64| {
        let body = dma_map(start + from, to - from, 8 * PAGE + from);
        let reply = driver
            .client
            .request_with(command::DMA_MAP, body, &[ram.as_fd()]);
        assert_eq!(reply.errno(), None);
    };
    lend(&mut driver, 0, 1001);
    lend(&mut driver, 3000, PAGE);
    let whole = dmb(start, PAGE as u32, FIRST_INDEX, gid);
    driver.run(code::REG_DMB, &whole).failed();
    lend(&mut driver, 1001, 3000);
    let token = driver.run(code::REG_DMB, &whole).number();
    // First a move over both seams, then one while the middle is gone.
    let place = target(token, 0, false, 0);
    let bytes: Vec<u8> = (0..PAGE).map(|n| n as u8).collect();
    driver.put(place, &bytes).ok();
    assert_eq!(driver.ram.read(8 * PAGE, 4096), bytes);
    driver.client.unmap(start + 1001, 1999).ok();
    driver.put(place, &[7; 4096]).refused(EIO);
    driver
        .put(target(token, 0, false, 1000), &[7; 2])
        .refused(EIO);
    driver.put(place, &[3; 1001]).ok();
    driver.put(target(token, 0, false, 3000), &[4; 64]).ok();
    assert_eq!(driver.ram.read(8 * PAGE + 1000, 2), [3, bytes[1001]]);
}

#[test]
fn an_argsz_of_any_size_allocates_and_returns_nothing_more() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for argsz in [1 << 20, 1 << 31, u32::MAX] {
        let words = |words: &[u32]| {
            words
                .iter()
                .flat_map(|word| word.to_ne_bytes())
                .collect::<Vec<u8>>()
        };
        for (number, body) in [
            (command::GET_INFO, words(&[argsz, 0, 0, 0])),
            (
                command::GET_REGION_INFO,
                words(&[argsz, 0, 9, 0, 0, 0, 0, 0]),
            ),
            (command::GET_IRQ_INFO, words(&[argsz, 0, 1, 0])),
            (command::GET_REGION_IO_FDS, words(&[argsz, 0, 0, 0])),
        ] {
            let reply = client.request(number, body).ok();
            // A reply contains its own size.
            assert_eq!(u32_at(&reply, 0) as usize, reply.len(), "command {number}");
            assert!(reply.len() < 512);
        }
        let huge = |body: Vec<u8>| Bytes::new().u32(argsz).raw(&body[4..]);
        client
            .request(command::DMA_MAP, huge(dma_map(IOVA, PAGE, 0)))
            .ok();
        let unmapped = client.request(command::DMA_UNMAP, huge(dma_unmap(0, IOVA, PAGE)));
        assert_eq!(unmapped.ok().len(), 24);
        let trigger = huge(set_irqs(NONE | TRIGGER, MSI, 0, 1, &[]));
        client.request(command::SET_IRQS, trigger).ok();
        let bools = huge(set_irqs(BOOL | TRIGGER, MSI, 0, 1, &[1]));
        client.request(command::SET_IRQS, bools).ok();
        let feature = Bytes::new().u32(argsz).u32(1 << 16);
        client.request(command::FEATURE, feature).refused(ENOTTY);
    }
}

#[test]
fn files_opened_in_odd_ways_are_used_rightly_or_refused() {
    let mut daemon = Daemon::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ram");
    std::fs::write(&path, vec![0; RAM_LEN as usize]).unwrap();
    let open = |flags: i32, read: bool| {
        let mut options = OpenOptions::new();
        options.read(read).write(true).custom_flags(flags);
        options.open(&path).unwrap()
    };
    let flags = |flag: rustix::fs::OFlags| flag.bits() as i32;
    use rustix::fs::OFlags;
    for (what, file, access, errno) in [
        ("write-only", open(0, false), 0, EACCES),
        ("write-only, for file I/O", open(0, false), 8, EACCES),
        // A write to such a file goes to its end, at any offset.
        ("appending", open(flags(OFlags::APPEND), true), 8, EINVAL),
        ("appending, mapped", open(flags(OFlags::APPEND), true), 4, 0),
        ("synchronous", open(flags(OFlags::SYNC), true), 8, 0),
        ("not blocking", open(flags(OFlags::NONBLOCK), true), 0, 0),
    ] {
        let mut driver = Driver::attach(&daemon.only(), Via::Bar);
        driver.client.reset();
        driver.register();
        let start = 0x40_0000_0000;
        let body = Bytes::new()
            .u32(32)
            .u32(3 | access)
            .u64(0)
            .u64(start)
            .u64(RAM_LEN);
        let reply = driver
            .client
            .request_with(command::DMA_MAP, body, &[file.as_fd()]);
        assert_eq!(reply.errno().unwrap_or(0), errno, "{what}");
        if errno == 0 {
            let gid = driver.gid();
            let token = driver
                .run(code::REG_DMB, dmb(start, PAGE as u32, FIRST_INDEX, gid))
                .number();
            driver.put(target(token, 0, true, 64), &[9; 64]).ok();
            assert_eq!(std::fs::read(&path).unwrap()[64..128], [9; 64], "{what}");
        }
        drop(driver);
        daemon.wait_until_free();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), RAM_LEN, "{what}");
    }
    assert!(daemon.is_alive());
}

#[test]
fn one_eventfd_may_be_every_vector_and_memory_may_be_none() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let eventfd = Eventfd::new();
    for index in [1, 2, 3] {
        let body = set_irqs(EVENTFD | TRIGGER, index, 0, 1, &[]);
        client
            .request_with(command::SET_IRQS, body, &[eventfd.as_fd()])
            .ok();
    }
    for index in [1, 2, 3] {
        client
            .request(
                command::SET_IRQS,
                set_irqs(NONE | TRIGGER, index, 0, 1, &[]),
            )
            .ok();
    }
    assert_eq!(eventfd.take(), 3);
    let ram = Ram::new(PAGE);
    client
        .request_with(
            command::SET_IRQS,
            set_irqs(EVENTFD | TRIGGER, MSI, 0, 1, &[]),
            &[ram.as_fd()],
        )
        .refused(EINVAL);
    // The old map is still in its place.
    client
        .request(command::SET_IRQS, set_irqs(NONE | TRIGGER, MSI, 0, 1, &[]))
        .ok();
    assert_eq!(eventfd.take(), 1);
}

#[test]
fn the_edges_of_region_write_multi() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let one: (u32, u64, &[u8]) = (CONFIG, 0x3c, &[1]);
    // The largest number of writes, and one more.
    let most = write_multi(&[one; 1024]);
    let reply = client.request(command::WRITE_MULTI, &most).ok();
    assert_eq!(u64_at(&reply, 0), 1024);
    client
        .request(command::WRITE_MULTI, write_multi(&[one; 1025]))
        .refused(EINVAL);
    // The count is smaller or larger than the number of writes.
    for count in [0_u64, 1, 2, 4, 1 << 32, u64::MAX, (u64::MAX / 24) + 1] {
        let body = Bytes::new().u64(count).raw(&write_multi(&[one; 3])[8..]);
        client.request(command::WRITE_MULTI, body).refused(EINVAL);
    }
    // A write whose offset overflows is invalid.
    for overflow in [(CONFIG, u64::MAX, &[1][..]), (0, u64::MAX - 3, &[1; 8])] {
        client.write_multi(&[one, overflow]).refused(EINVAL);
    }
    // Invalid places come after valid ones; bytes after the count do not matter.
    let mut body = write_multi(&[
        (CONFIG, 0x3c, &[7]),
        (CONFIG, 252, &[1; 8]),
        (2, 4090, &[1; 8]),
        (u32::MAX, 0, &[1]),
        (CONFIG, 0x3d, &[0xff]),
    ]);
    body[8 + 17..8 + 24].fill(0xff);
    let reply = client.request(command::WRITE_MULTI, &body).ok();
    assert_eq!(u64_at(&reply, 0), 2);
    assert_eq!(client.read(CONFIG, 0x3c, 1).data(), [7]);
    // The message is posted, so no part of it gets a reply.
    client.send(command::WRITE_MULTI, 0x10, &body);
    client.send(command::WRITE_MULTI, 0x10, [0; 5]);
    client.reset();
}
