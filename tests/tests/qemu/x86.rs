//! Tests with unmodified QEMU as the client: an x86 machine without a guest.

use rustix::process::Signal;
use serde_json::Value;
use vfio_user_ism_tests::daemon::Stopped;
use vfio_user_ism_tests::driver::{FIRST_INDEX, code, dmb, target};
use vfio_user_ism_tests::patience::eventually;
use vfio_user_ism_tests::qemu::Memory;
use vfio_user_ism_tests::qtest::{COMMAND_BAR, DATA_BAR, MSIX_BAR, Qtest};
use vfio_user_ism_tests::{Bytes, Daemon};

const GID: u64 = 0x1500_0000_0000_0001;
const SBA: u64 = 0x10_0000;
const IEQ: u64 = 0x10_1000;
const DMB: u64 = 0x20_0000;
const DMB_LEN: u32 = 0x1_0000;
/// Address for the tests' interrupts: a doorbell in RAM, which can be read back.
const DOORBELL: u64 = 0x30_0000;

/// Starts a stock server, and a machine that uses it.
fn machine(memory: Memory, properties: &str) -> (Daemon, Qtest) {
    let daemon = Daemon::with_profile("qemu-stock");
    let mut machine = Qtest::start(&daemon.only(), memory, properties);
    machine.enable();
    (daemon, machine)
}

/// Registers SBA, event queue and a buffer that the function itself may write. Returns the buffer's token.
fn register(machine: &mut Qtest) -> u64 {
    machine.ok(code::REG_SBA, &SBA.to_be_bytes());
    machine.ok(code::REG_IEQ, &Bytes::new().be64(IEQ).be64(512).0);
    let token = machine.ok(code::REG_DMB, &dmb(DMB, DMB_LEN, FIRST_INDEX, GID));
    u64::from_be_bytes(token.try_into().unwrap())
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + 1) as u8).collect()
}

/// Waits until `len` bytes of RAM differ from zero. Returns them.
#[track_caller]
fn arrived(machine: &mut Qtest, address: u64, len: usize) -> Vec<u8> {
    eventually("bytes arrive in RAM", || {
        let bytes = machine.read(address, len);
        bytes.iter().any(|byte| *byte != 0).then_some(bytes)
    })
}

#[test]
#[ignore = "needs QEMU: run ./test"]
fn config_space_is_an_isms() {
    let daemon = Daemon::start();
    let mut machine = Qtest::start(&daemon.only(), Memory::Descriptor, "");
    assert_eq!(machine.config(0), 0x04ed_1014, "device and vendor");
    assert_eq!(
        machine.config(8),
        0,
        "no class and no revision, as on hardware"
    );
    machine.set_config(0, 0xffff_ffff);
    assert_eq!(machine.config(0), 0x04ed_1014, "ids are read-only");

    let mut size = |bar: u32| {
        machine.set_config(bar, 0xffff_ffff);
        machine.set_config(bar + 4, 0xffff_ffff);
        let (low, high) = (machine.config(bar), machine.config(bar + 4));
        assert_eq!(low & 0x7, 0x4, "a 64-bit memory BAR");
        let mask = u64::from(high) << 32 | u64::from(low & !0xf);
        mask.wrapping_neg()
    };
    assert_eq!(size(0x10), 1 << 48);
    assert_eq!(size(0x18), 4096);

    let msi = machine.capability(5);
    assert_eq!(
        machine.config(msi) >> 16 & 0x8e,
        0x80,
        "MSI: 64-bit, one vector"
    );
    machine.capability(0x11);
}

#[test]
#[ignore = "needs QEMU: run ./test"]
fn commands_run_and_are_counted() {
    let (daemon, mut machine) = machine(Memory::Descriptor, "");
    let gid = machine.ok(code::READ_GID, &[]);
    assert_eq!(gid, GID.to_be_bytes());
    register(&mut machine);
    let info = machine.ok(code::QUERY_INFO, &[]);
    assert_eq!(info.len(), 192);
    assert_eq!(info[16..24], GID.to_be_bytes(), "my_gid");
    assert_eq!(
        info[24..40],
        *Bytes::new().be64(SBA).be64(IEQ).0,
        "sba and ieq"
    );
    assert_ne!(machine.run(0x7f, &[]).0, 0, "an unknown command");

    drop(machine);
    let left = daemon.stop();
    let function = left.function("ism0");
    assert_eq!(function["commands"], 6);
    assert_eq!(function["failed_commands"], 1);
    assert!(
        left.rules().contains(&"unknown-command"),
        "{:?}",
        left.rules()
    );
}

/// Checks a buffer, a move and its signal in RAM, as the machine sees it.
#[track_caller]
fn moves(memory: Memory, properties: &str, posted: bool) {
    let (daemon, mut machine) = machine(memory, properties);
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", daemon.pid())).unwrap();
    let shared = maps.contains("memfd:");
    assert_eq!(
        shared,
        memory == Memory::Descriptor,
        "how RAM reaches the server"
    );
    let token = register(&mut machine);
    let data = pattern(8);
    let at = DATA_BAR + target(token, 3, true, 0x1238);
    machine.store(at, data.clone().try_into().unwrap());

    // The summary bit is set last.
    assert_eq!(arrived(&mut machine, SBA, 1), [0x80], "summary bit");
    assert_eq!(machine.read(DMB + 0x1238, 8), data);
    assert_eq!(
        machine.read(SBA + 4, 8),
        [0, 0, 0, 0, 0x80, 0, 0, 0],
        "DMB bit 32"
    );
    let mask = machine.read(SBA + 256 + 2 * u64::from(FIRST_INDEX), 2);
    assert_eq!(
        u16::from_be_bytes([mask[0], mask[1]]).count_ones(),
        1,
        "element mask"
    );
    assert_eq!(machine.read(DMB + 0x1230, 8), [0; 8], "nothing beside it");

    drop(machine);
    let left = daemon.stop();
    let moved: Vec<_> = left.events_named("data-move").collect();
    assert_eq!(moved.len(), 1);
    assert_eq!(
        (&moved[0]["dmb_offset"], &moved[0]["length"]),
        (&0x1238.into(), &8.into())
    );
    let stores: Vec<_> = left.events_named("store").collect();
    assert!(stores.len() > 8);
    assert!(
        stores.iter().all(|store| store["posted"] == posted),
        "{stores:?}"
    );
}

#[test]
#[ignore = "needs QEMU: run ./test"]
fn a_posted_move_arrives_in_shared_memory() {
    moves(Memory::Descriptor, "", true);
}

#[test]
#[ignore = "needs QEMU: run ./test"]
fn an_answered_move_arrives_in_shared_memory() {
    moves(Memory::Descriptor, r#","x-no-posted-writes":true"#, false);
}

#[test]
#[ignore = "needs QEMU: run ./test"]
fn a_posted_move_arrives_by_messages() {
    moves(Memory::Messages, "", true);
}

#[test]
#[ignore = "needs QEMU: run ./test"]
fn an_answered_move_arrives_by_messages() {
    moves(Memory::Messages, r#","x-no-posted-writes":true"#, false);
}

fn sum(events: &[&Value], field: &str) -> u64 {
    events
        .iter()
        .map(|event| event[field].as_u64().unwrap())
        .sum()
}

/// Writes a block of 64 bytes, which QEMU cuts, into a buffer. Checks that it arrives complete and in 8
/// pieces. Returns the server's results, and its violations of `split-block-store` on the data BAR.
#[track_caller]
fn cut_block(daemon: Daemon, mut machine: Qtest, pause: bool) -> (Stopped, Vec<Value>) {
    let token = register(&mut machine);
    let data = pattern(64);
    // Posted pieces wait in the socket, so that they arrive together on any busy machine: for the server, a
    // pause of some milliseconds between two pieces ends a run.
    if pause {
        daemon.signal(Signal::STOP);
    }
    machine.write(DATA_BAR + target(token, 0, false, 0x100), &data);
    if pause {
        daemon.signal(Signal::CONT);
    }
    machine.load(COMMAND_BAR);
    assert_eq!(machine.read(DMB + 0x100, 64), data, "whole in the end");
    drop(machine);
    let left = daemon.stop();

    let stores = left
        .events_named("store")
        .filter(|event| event["pcias"] == 0);
    let pieces: Vec<_> = stores.collect();
    assert_eq!((pieces.len(), sum(&pieces, "length")), (8, 64));
    assert!(
        pieces.iter().all(|piece| piece["length"] == 8),
        "{pieces:?}"
    );
    let is_split = |event: &&Value| event["rule"] == "split-block-store" && event["pcias"] == 0;
    let found = left
        .events_named("violation")
        .filter(is_split)
        .cloned()
        .collect();
    (left, found)
}

#[test]
#[ignore = "needs QEMU: run ./test"]
fn a_block_cut_by_qemu_is_reported_with_its_pieces() {
    let (daemon, machine) = machine(Memory::Descriptor, "");
    let (left, found) = cut_block(daemon, machine, true);
    assert_eq!(found.len(), 1, "{found:?}");
    let event = |field: &str| &found[0][field];
    assert_eq!(
        (event("pieces"), event("piece_length")),
        (&8.into(), &8.into())
    );
    assert_eq!(
        (event("length"), event("severity")),
        (&64.into(), &"warn".into())
    );

    // The payloads of this test's own commands were cut too, and the totals contain them all.
    let is_split = |event: &&Value| event["rule"] == "split-block-store";
    let all: Vec<_> = left.events_named("violation").filter(is_split).collect();
    let (violations, pieces) = (all.len() as u64, sum(&all, "pieces"));
    let rules = left.function("ism0")["rules"].as_array().unwrap();
    let counted = rules
        .iter()
        .find(|rule| rule["rule"] == "split-block-store")
        .unwrap();
    assert_eq!(
        (&counted["violations"], &counted["pieces"]),
        (&violations.into(), &pieces.into())
    );

    let log = &left.ended.stderr;
    let line = log
        .lines()
        .find(|line| line.contains("64 bytes at offset"))
        .expect("a log line");
    assert!(
        line.contains("WARN") && line.contains("8 pieces of at most 8 bytes"),
        "{line}"
    );
    let row = [
        "ism0",
        "split-block-store",
        "warn",
        &violations.to_string(),
        &pieces.to_string(),
    ];
    let is_row = |line: &str| line.split_whitespace().eq(row);
    assert!(
        log.lines().any(is_row),
        "no row {row:?} in the summary:\n{log}"
    );
}

#[test]
#[ignore = "needs QEMU: run ./test"]
fn a_block_cut_by_qemu_is_reported_when_writes_are_answered() {
    let (daemon, machine) = machine(Memory::Descriptor, r#","x-no-posted-writes":true"#);
    let (_, found) = cut_block(daemon, machine, false);
    // Each piece waits for its answer here, so a busy machine may split them into several runs.
    let pieces = sum(&found.iter().collect::<Vec<_>>(), "pieces");
    assert!((2..=8).contains(&pieces), "{found:?}");
}

#[test]
#[ignore = "needs QEMU: run ./test"]
fn queued_writes_coalesce_and_arrive_in_order() {
    let (daemon, mut machine) = machine(Memory::Descriptor, r#","x-send-queued":true"#);
    let token = register(&mut machine);
    let data = pattern(DMB_LEN as usize);
    // QEMU coalesces only writes that it cannot send, so the socket must fill up.
    daemon.signal(Signal::STOP);
    machine.write(DATA_BAR + target(token, 0, false, 0), &data);
    daemon.signal(Signal::CONT);
    machine.load(COMMAND_BAR);
    assert_eq!(machine.read(DMB, data.len()), data);
    drop(machine);
    let left = daemon.stop();

    let stores = left
        .events_named("store")
        .filter(|store| store["pcias"] == 0);
    let stores: Vec<_> = stores.collect();
    let offsets: Vec<_> = stores
        .iter()
        .map(|store| store["offset"].as_u64().unwrap())
        .collect();
    assert_eq!(offsets.len(), data.len() / 8);
    assert!(offsets.is_sorted(), "QEMU's order is kept");
    let multi = stores
        .iter()
        .filter(|store| store["path"] == "bar-multi")
        .count();
    assert!(multi > 0, "QEMU sent no REGION_WRITE_MULTI");
    assert!(
        left.rules().contains(&"split-block-store"),
        "{:?}",
        left.rules()
    );
}

#[test]
#[ignore = "needs QEMU: run ./test"]
fn a_signal_raises_the_msi() {
    let (daemon, mut machine) = machine(Memory::Descriptor, "");
    let token = register(&mut machine);
    let msi = machine.capability(5);
    machine.set_config(msi + 4, DOORBELL as u32);
    machine.set_config(msi + 8, 0);
    machine.set_config(msi + 12, 0x51a5);
    let control = machine.config(msi);
    machine.set_config(msi, control | 1 << 16);

    machine.store(DATA_BAR + target(token, 0, false, 0), [1; 8]);
    machine.load(COMMAND_BAR);
    assert_eq!(machine.read(DOORBELL, 4), [0; 4], "no signal, no interrupt");
    machine.store(DATA_BAR + target(token, 0, true, 0), [2; 8]);
    assert_eq!(arrived(&mut machine, DOORBELL, 4), [0xa5, 0x51, 0, 0]);
    assert_eq!(machine.read(SBA, 1), [0x80], "the summary bit came before");
    drop(machine);
    assert_eq!(daemon.stop().function("ism0")["interrupts"], 1);
}

#[test]
#[ignore = "needs QEMU: run ./test"]
fn a_signal_raises_the_msi_x_vector() {
    let (daemon, mut machine) = machine(Memory::Descriptor, "");
    let token = register(&mut machine);
    machine.write(MSIX_BAR, &Bytes::new().u64(DOORBELL).u32(0x77).u32(0).0);
    let msix = machine.capability(0x11);
    let control = machine.config(msix);
    machine.set_config(msix, control | 1 << 31);
    machine.store(DATA_BAR + target(token, 0, true, 0), [2; 8]);
    assert_eq!(arrived(&mut machine, DOORBELL, 4), [0x77, 0, 0, 0]);
    drop(machine);
    assert_eq!(daemon.stop().function("ism0")["interrupts"], 1);
}

#[test]
#[ignore = "needs QEMU: run ./test"]
fn the_next_qemu_is_served() {
    let (daemon, machine) = machine(Memory::Descriptor, "");
    drop(machine);
    daemon.wait_until_free();
    let mut machine = Qtest::start(&daemon.only(), Memory::Descriptor, "");
    machine.enable();
    register(&mut machine);
    drop(machine);
    assert_eq!(daemon.stop().function("ism0")["clients"], 2);
}
