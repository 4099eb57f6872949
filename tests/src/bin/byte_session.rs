//! Starts a server and uses the whole device, byte by byte in the order of this host. Prints its observations
//! and the server's files: `byte_session [ARGUMENT...]`. The arguments go to the server. After a wrong answer
//! it ends with a message and status 101.
//!
//! The output is one line of JSON: `facts`, the numbers that the device reports; `profile`, the text of the
//! profile; `events` and `report`, the texts of the two files. A host of the other byte order prints the
//! same, except for times, process ids and the number of open descriptors, which includes descriptors that
//! the caller left open.

use serde_json::{Value, json};
use vfio_user_ism_tests::client::{CONFIG, ZPCI, command, irq::MSI};
use vfio_user_ism_tests::driver::{
    FIRST_INDEX, IEQ, IOVA, RAM_LEN, SBA, code, target, zpci_request,
};
use vfio_user_ism_tests::lender::{Layout, Lender};
use vfio_user_ism_tests::program::run;
use vfio_user_ism_tests::wire::{u32_at, u64_at};
use vfio_user_ism_tests::{Bytes, Client, Daemon, Driver, Via};

const GID: u64 = 0x1500_0000_0000_0001;
/// Flags of a zPCI request.
const LOAD: u64 = 1;
const BLOCK_STORE: u64 = 2;
const STORE: u64 = 4;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let shown = run(["profile", "show"]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let daemon = Daemon::with_arguments(&arguments);
    let facts = facts(&mut daemon.client());
    daemon.wait_until_free();
    for via in [Via::Region, Via::Bar, Via::Channel] {
        let mut driver = Driver::probe(&daemon.only(), via);
        commands_and_moves(&mut driver);
        whole_requests(&mut driver);
        broken_rules(&mut driver);
        driver.client.unmap(IOVA, RAM_LEN).ok();
        driver.client.reset();
        drop(driver);
        daemon.wait_until_free();
    }
    // Padded is the layout of QEMU 10.1 and 10.2. On a big-endian host such a QEMU reads 0 as the count of
    // the wide layout, which the server sends first.
    for layout in [Layout::Wide, Layout::Padded] {
        lent_memory(&daemon, layout);
        daemon.wait_until_free();
    }
    let stopped = daemon.stop();
    assert_eq!(stopped.ended.code, Some(0), "{}", stopped.ended.stderr);
    let written = json!({
        "facts": facts,
        "profile": shown.stdout,
        "events": stopped.events_text,
        "report": stopped.report_text,
    });
    println!("{written}");
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

/// Returns CLP facts, regions, interrupts and configuration space as numbers.
fn facts(client: &mut Client) -> Value {
    let request = Bytes::new().u32(4096).raw(&[0; 12]);
    let info = client.request(command::GET_INFO, request).ok();
    let mut capabilities = Vec::new();
    let mut at = u32_at(&info, 16) as usize;
    while at != 0 {
        capabilities.push(capability(&info[at..]));
        at = u32_at(&info, at + 4) as usize;
    }
    assert_eq!(
        capabilities.len(),
        4,
        "function, group, utility string, path"
    );
    let region = |client: &mut Client, index: u32| {
        let request = Bytes::new()
            .u32(4096)
            .u32(0)
            .u32(index)
            .u32(0)
            .u64(0)
            .u64(0);
        let info = client.request(command::GET_REGION_INFO, request).ok();
        json!({ "flags": u32_at(&info, 4), "size": u64_at(&info, 16) })
    };
    let regions: Vec<Value> = (0..10).map(|index| region(client, index)).collect();
    let header = client.read(ZPCI, 0, 16).data();
    let irq = Bytes::new().u32(16).u32(0).u32(MSI).u32(0);
    let irq = client.request(command::GET_IRQ_INFO, irq).ok();
    json!({
        "flags": u32_at(&info, 4),
        "regions": u32_at(&info, 8),
        "interrupts": u32_at(&info, 12),
        "capabilities": capabilities,
        "region": regions,
        "longest-block-store": u16_at(&header, 8),
        "msi": [u32_at(&irq, 4), u32_at(&irq, 12)],
        "config": client.read(CONFIG, 0, 64).data(),
    })
}

/// Reads one of the four zPCI capabilities of the device (docs/contract.md).
fn capability(bytes: &[u8]) -> Value {
    let (id, version) = (u16_at(bytes, 0), u16_at(bytes, 2));
    let u16s = |from: usize, to: usize| -> Vec<u16> {
        (from..to).step_by(2).map(|at| u16_at(bytes, at)).collect()
    };
    let fields = match id {
        1 => json!({
            "dma": [u64_at(bytes, 8), u64_at(bytes, 16)], "pchid, vfn, fmb": u16s(24, 30),
            "pft, gid": bytes[30..32], "fh": u32_at(bytes, 32),
        }),
        2 => json!({
            "dasm, msi_addr, flags": [u64_at(bytes, 8), u64_at(bytes, 16), u64_at(bytes, 24)],
            "mui, noi, maxstbl": u16s(32, 38), "version": bytes[38], "imaxstbl": u16_at(bytes, 40),
        }),
        3 => json!({ "size": u32_at(bytes, 8), "util_str": bytes[12..76] }),
        4 => json!({ "size": u32_at(bytes, 8), "pfip": bytes[12..16] }),
        other => panic!("a capability {other}"),
    };
    json!({ "id": id, "version": version, "fields": fields })
}

/// Runs commands of every family, moves with bytes, bits and interrupt, and an event.
fn commands_and_moves(driver: &mut Driver) {
    assert_eq!(driver.gid(), GID);
    driver.run(code::QUERY_INFO, []).ok();
    driver.run(code::ADD_VLAN_ID, Bytes::new().be64(5)).ok();
    driver.run(code::DEL_VLAN_ID, Bytes::new().be64(5)).ok();
    let rgid = Bytes::new().be64(GID).be32(0).be32(0);
    driver.run(code::QUERY_RGID, rgid).ok();
    driver.run(0x77, []).failed();
    let token = driver.register_dmb(0x1_0000, FIRST_INDEX, GID);

    let plain = target(token, 0, false, 0x100);
    driver.put(plain, b"sixteen bytes...").ok();
    driver.put(target(token, 3, true, 0), &[0xa5; 48]).ok();
    assert!(driver.irq.wait() > 0, "no interrupt");
    assert_eq!(driver.ram.read(0x10_0000, 48), [0xa5; 48]);
    assert_eq!(driver.ram.read(0x10_0100, 16), b"sixteen bytes...");
    assert_eq!(driver.ram.read(SBA, 1), [0x80], "the summary bit");
    let bits = SBA + u64::from(FIRST_INDEX) / 8;
    assert_eq!(driver.ram.read(bits + 4, 1), [0x80], "the DMB bit");
    let mask = SBA + 256 + 2 * u64::from(FIRST_INDEX);
    assert_eq!(driver.ram.be(mask, 2), 0x1000, "element 3");

    let event = Bytes::new().be64(GID).be32(1).be32(2);
    let event = event.be64(0x0102_0304_0506_0708);
    driver.run(code::SIGNAL_IEQ, event).ok();
    let entry = driver.ram.read(IEQ, 128);
    let info = 0x0102_0304_0506_0708_u64.to_be_bytes();
    assert!(entry.windows(8).any(|bytes| bytes == info), "{entry:x?}");
    let token = Bytes::new().be64(token);
    driver.run(code::UNREG_DMB, token).ok();
}

/// Sends requests of the zPCI I/O region in the byte order of this host: a command by PCISTB, its response by
/// PCILG, and a PCISTG. Each goes over the function's own connection, whatever path the driver uses.
fn whole_requests(driver: &mut Driver) {
    let client = &mut driver.client;
    let header = Bytes::new().be32(code::READ_GID).be16(0).be16(8);
    let store = zpci_request(BLOCK_STORE, 0, 2, 0, 8).raw(&header.0);
    client.write(ZPCI, 16, &store.0).ok();
    for (offset, expected) in [(0, 0x0000_0003_0000_0010), (8, GID)] {
        let load = zpci_request(LOAD, 0, 2, offset, 8);
        client.write(ZPCI, 16, &load.0).ok();
        let image = client.read(ZPCI, 48, 8).data();
        assert_eq!(image, expected.to_be_bytes(), "at {offset}");
    }
    // This is the low half of a register.
    let load = zpci_request(LOAD, 0, 2, 12, 4);
    client.write(ZPCI, 16, &load.0).ok();
    assert_eq!(
        client.read(ZPCI, 48, 8).data(),
        (GID & 0xffff_ffff).to_be_bytes()
    );
    let store = zpci_request(STORE, 0, 2, 8, 8).raw(&7_u64.to_be_bytes());
    client.write(ZPCI, 16, &store.0);
    // No request has two kinds, and there is no address space 6.
    for request in [zpci_request(3, 0, 2, 0, 8), zpci_request(LOAD, 0, 6, 0, 8)] {
        assert_ne!(client.write(ZPCI, 16, &request.0).errno(), None);
    }
}

/// Makes stores that break rules or belong to another function.
fn broken_rules(driver: &mut Driver) {
    let token = driver.register_dmb(0x1_0000, FIRST_INDEX, GID);
    let pieces: [(u32, u64, &[u8]); 3] =
        [(2, 0x40, &[1; 8]), (2, 0x48, &[2; 8]), (2, 0x50, &[3; 8])];
    driver.client.write_multi(&pieces).ok();
    driver.put(target(token, 0, false, 0xfff8), &[7; 64]);
    driver.put(target(token ^ 1 << 46, 0, false, 0), &[7; 8]);
    for width in [1, 2, 4] {
        driver.client.read(CONFIG, 0, width).ok();
    }
}

/// Lends memory without a descriptor, so that the server sends DMA_READ and DMA_WRITE.
fn lent_memory(daemon: &Daemon, layout: Layout) {
    let mut guest = Lender::new(daemon, layout);
    // The previous client's registrations still exist.
    guest.client.reset();
    let irq = guest.client.eventfd(MSI);
    let token = guest.register();
    // A neighbouring bit must survive, so the server reads before it writes.
    guest.memory[8] = 0x40;
    let data: Vec<u8> = (0..100).collect();
    let place = target(token, 3, true, 24);
    guest.client.write(0, place, &data).ok();
    guest.serve_until(&irq);
    assert_eq!(guest.memory[0x1018..0x1018 + 100], data, "{layout:?}");
    assert_eq!(guest.memory[8], 0xc0, "{layout:?}: the bits of two DMBs");
    assert_eq!(guest.memory[0], 0x80, "{layout:?}: the summary bit");
}
