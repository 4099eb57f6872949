//! Tests of the zPCI I/O region: header, request, the three carriers of a payload, and every invalid request.

use rustix::process::{PTracer, Pid, set_ptracer};
use serde_json::json;
use vfio_user_ism_tests::client::ZPCI;
use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, IOVA, code, header, target, zpci_request};
use vfio_user_ism_tests::errno::{EFAULT, EINVAL, EIO};
use vfio_user_ism_tests::patience::eventually;
use vfio_user_ism_tests::{Bytes, Client, Daemon, Driver, Message, Via};

const READ: u64 = 1;
const BLOCKW: u64 = 2;
const STORE: u64 = 4;

fn request(client: &mut Client, request: impl AsRef<[u8]>) -> Message {
    client.write(ZPCI, 16, request.as_ref())
}

/// Starts a daemon whose profile accepts one carrier.
fn carried(carrier: &str) -> Daemon {
    Daemon::with_device(&json!({ "payload_carrier": carrier }))
}

/// Creates a driver with a buffer. Returns the target of a move into it too.
fn with_buffer(daemon: &Daemon) -> (Driver, u64) {
    let mut driver = Driver::probe(&daemon.only(), Via::Region);
    let gid = driver.gid();
    let token = driver.register_dmb(0x10000, FIRST_INDEX, gid);
    (driver, target(token, 0, false, 0))
}

#[test]
fn the_header_holds_the_maximum_length() {
    for (max, device) in [
        (4096_u16, json!({})),
        (128, json!({ "max_store_block_length": 128 })),
    ] {
        let daemon = Daemon::with_device(&device);
        let mut client = daemon.client();
        let expected = Bytes::new().u64(0).u16(max).raw(&[0; 6]).0;
        assert_eq!(client.read(ZPCI, 0, 16).data(), expected);
        assert_eq!(client.read(ZPCI, 8, 2).data(), max.to_ne_bytes());
    }
}

#[test]
fn only_the_header_is_read_and_only_the_request_written() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for (offset, len) in [(16, 8), (40, 8), (0, 17), (8, 40), (47, 1)] {
        client.read(ZPCI, offset, len).refused(EFAULT);
    }
    for offset in [0, 8, 15] {
        client.write(ZPCI, offset, &[0; 32]).refused(EFAULT);
    }
    client.write(ZPCI, 48, &[0; 32]).refused(EINVAL);
    client.read(ZPCI, 48, 8).refused(EINVAL);
}

#[test]
fn a_partial_request_is_refused_and_does_not_run_with_stale_fields() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let gid = zpci_request(BLOCKW, 0, 2, 0, 8)
        .raw(&header(code::READ_GID, 8))
        .0;
    client.write(ZPCI, 16, &gid).ok();
    for (offset, len) in [
        (16, 8),
        (16, 31),
        (24, 24),
        (24, 32),
        (17, 40),
        (44, 2),
        (47, 1),
    ] {
        client.write(ZPCI, offset, &gid[..len]).refused(EINVAL);
    }
    drop(client);
    assert_eq!(daemon.stop().function("ism0")["commands"], 1);
}

#[test]
fn every_bad_request_gets_its_errno_and_changes_nothing() {
    let daemon = Daemon::start();
    let (mut driver, at) = with_buffer(&daemon);
    let client = &mut driver.client;
    let block = |pcias, offset, len: u16| {
        zpci_request(BLOCKW, 0, pcias, offset, len).raw(&vec![0xee; usize::from(len)])
    };
    for (bad, errno) in [
        (zpci_request(0, 0, 0, at, 8), EIO),
        (zpci_request(8, 0, 0, at, 8), EIO),
        (zpci_request(STORE, 0, 0, at, 8), EINVAL),
        (zpci_request(STORE, 0, 0, at, 8).raw(&[0; 8]), EIO),
        (zpci_request(STORE, 0, 2, 4, 8).raw(&[0; 8]), EINVAL),
        (zpci_request(STORE | READ, 0, 2, 0, 8), EINVAL),
        (zpci_request(READ | BLOCKW, 0, 0, at, 8), EINVAL),
        (zpci_request(BLOCKW | 8, 0, 0, at, 8), EINVAL),
        (zpci_request(BLOCKW, 0, 0, at, 0), EINVAL),
        (zpci_request(READ, 0, 2, 0, 0), EINVAL),
        (zpci_request(BLOCKW, 0, 0, at, 8).raw(&[0; 7]), EINVAL),
        (zpci_request(BLOCKW, 0, 0, at, 8).raw(&[0; 9]), EINVAL),
        (zpci_request(READ, 0, 2, 0, 8).raw(&[0; 8]), EINVAL),
        (zpci_request(READ, 0, 2, 0, 9), EIO),
        (zpci_request(READ, 0, 2, 4, 8), EIO),
        (zpci_request(READ, 0, 2, 4092, 8), EIO),
        (block(0, at, 4097), EIO),
        (block(0, at + 1, 4096), EIO),
        (block(0, 1 << 48, 8), EIO),
        (block(2, 4095, 2), EIO),
        (block(1, 0, 8), EIO),
        (block(5, 0, 8), EIO),
        (block(15, 0, 8), EIO),
        (block(255, 0, 8), EIO),
        (block(0, 0x7777_0000_0000, 8), EIO),
    ] {
        let reply = request(client, bad.clone());
        assert_eq!(reply.errno(), Some(errno), "{bad:?}");
    }
    assert_eq!(driver.ram.read(DMB, 8192), [0; 8192]);
}

#[test]
fn a_payload_may_be_appended() {
    for daemon in [Daemon::start(), carried("appended")] {
        let (mut driver, at) = with_buffer(&daemon);
        let data: Vec<u8> = (0..4096).map(|n| n as u8).collect();
        driver.put(at, &data).ok();
        driver.put(at + 4096 + 3, &data[..11]).ok();
        assert_eq!(driver.ram.read(DMB, 4096), data);
        assert_eq!(
            driver.ram.read(DMB + 4099, 12),
            [&data[..11], &[0]].concat()
        );
    }
}

#[test]
fn gaddr_may_be_an_address_in_the_dma_map() {
    for daemon in [Daemon::start(), carried("iova")] {
        let mut driver = Driver::attach(&daemon.only(), Via::Region);
        driver.ram.write(0x3000, &header(code::READ_GID, 8));
        let client = &mut driver.client;
        request(client, zpci_request(BLOCKW, IOVA + 0x3000, 2, 0, 8)).ok();
        request(client, zpci_request(READ, IOVA + 0x3008, 2, 0, 8)).ok();
        assert_eq!(driver.ram.read(0x3008, 8), [0, 0, 0, 3, 0, 0, 0, 16]);
        request(client, zpci_request(READ, IOVA + 0x3010, 2, 8, 8)).ok();
        assert_eq!(driver.ram.be(0x3010, 8), 0x1500_0000_0000_0001);
    }
}

#[test]
fn gaddr_may_be_an_address_in_the_client_process() {
    for daemon in [Daemon::start(), carried("process")] {
        let server = Pid::from_raw(daemon.pid() as i32).unwrap();
        // If Yama restricts ptrace, a process must permit its child. Otherwise this call fails.
        let _ = set_ptracer(PTracer::ProcessID(server));
        let mut client = daemon.client();
        // On a busy machine an access may take longer than the server waits (CLIENT_MEMORY_MS).
        let mut carried_out = |bytes: Bytes| {
            eventually("the client's memory is reached", || {
                request(&mut client, &bytes).errno().is_none().then_some(())
            });
        };
        // The source is aligned and in one page: an 8-byte value at a multiple of 8.
        let source =
            Box::new(u64::from_be_bytes(header(code::READ_GID, 8).try_into().unwrap()).to_be());
        let address = |value: &u64| std::ptr::from_ref(value).addr() as u64;
        carried_out(zpci_request(BLOCKW, address(&source), 2, 0, 8));
        let result = Box::new(std::sync::atomic::AtomicU64::new(0));
        let at = std::ptr::from_ref(&*result).addr() as u64;
        carried_out(zpci_request(READ, at, 2, 8, 8));
        let value = result.load(std::sync::atomic::Ordering::SeqCst);
        assert_eq!(u64::from_be(value), 0x1500_0000_0000_0001);
    }
}

#[test]
fn a_gaddr_that_leads_nowhere_is_eio() {
    for daemon in [Daemon::start(), carried("iova"), carried("process")] {
        let mut client = daemon.client();
        for gaddr in [8, u64::MAX - 7] {
            request(&mut client, zpci_request(BLOCKW, gaddr, 2, 0, 8)).refused(EIO);
            request(&mut client, zpci_request(READ, gaddr, 2, 0, 8)).refused(EIO);
        }
        client.reset();
    }
}

#[test]
fn a_payload_by_another_carrier_than_the_profiles_is_refused() {
    for carrier in ["iova", "process"] {
        let daemon = carried(carrier);
        let appended = zpci_request(BLOCKW, 0, 2, 0, 8).raw(&header(code::READ_GID, 8));
        request(&mut daemon.client(), appended).refused(EINVAL);
    }
    let daemon = carried("appended");
    let mut driver = Driver::attach(&daemon.only(), Via::Region);
    request(&mut driver.client, zpci_request(BLOCKW, IOVA, 2, 0, 8)).refused(EINVAL);
}

#[test]
fn gaddr_is_aligned_and_in_one_page() {
    let daemon = carried("iova");
    let mut driver = Driver::attach(&daemon.only(), Via::Region);
    for (gaddr, len) in [(IOVA + 4, 8), (IOVA + 0xff8, 16), (IOVA + 8, 4096)] {
        request(&mut driver.client, zpci_request(BLOCKW, gaddr, 2, 8, len)).refused(EIO);
    }
    request(
        &mut driver.client,
        zpci_request(BLOCKW, IOVA + 0xff8, 2, 8, 8),
    )
    .ok();
}

#[test]
fn a_load_leaves_a_right_aligned_register() {
    let daemon = Daemon::start();
    let mut driver = Driver::attach(&daemon.only(), Via::Region);
    driver.gid();
    let client = &mut driver.client;
    for (offset, len, expected) in [
        (8, 1, [0, 0, 0, 0, 0, 0, 0, 0x15]),
        (8, 2, [0, 0, 0, 0, 0, 0, 0x15, 0]),
        (12, 4, [0, 0, 0, 0, 0, 0, 0, 1]),
        (0, 8, [0, 0, 0, 3, 0, 0, 0, 16]),
    ] {
        request(client, zpci_request(READ, 0, 2, offset, len)).ok();
        assert_eq!(client.read(ZPCI, 48, 8).data(), expected);
    }
    assert_eq!(client.read(ZPCI, 55, 1).data(), [16]);
    client.read(ZPCI, 49, 8).refused(EINVAL);
    client.reset();
    client.read(ZPCI, 48, 8).refused(EINVAL);
}

#[test]
fn a_failed_load_keeps_the_last_result() {
    let daemon = Daemon::start();
    let mut driver = Driver::attach(&daemon.only(), Via::Region);
    driver.gid();
    let before = driver.client.read(ZPCI, 48, 8).data();
    request(&mut driver.client, zpci_request(READ, 0, 2, 4092, 8)).refused(EIO);
    assert_eq!(driver.client.read(ZPCI, 48, 8).data(), before);
}
