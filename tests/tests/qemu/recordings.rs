//! Records stock QEMU's messages. The fuzz targets begin with these recordings (`fuzz/sessions`).
//!
//! With `VFIO_USER_ISM_RECORD` in the environment, the recordings are written anew. Otherwise, QEMU's present
//! messages are compared with them.

use std::collections::BTreeSet;
use std::fs;

use vfio_user_ism_tests::driver::{FIRST_INDEX, code, dmb, target};
use vfio_user_ism_tests::patience::eventually;
use vfio_user_ism_tests::program::repository;
use vfio_user_ism_tests::qemu::{self, Linux, Memory};
use vfio_user_ism_tests::qtest::{COMMAND_BAR, DATA_BAR, MSIX_BAR, Qtest};
use vfio_user_ism_tests::relay::{Heard, Relay};
use vfio_user_ism_tests::wire::u32_at;
use vfio_user_ism_tests::{Bytes, Daemon};

const GID: u64 = 0x1500_0000_0000_0001;
const SBA: u64 = 0x10_0000;
const IEQ: u64 = 0x10_1000;
const DMB: u64 = 0x20_0000;
const DOORBELL: u64 = 0x30_0000;
const READ: u16 = 9;
const WRITE: u16 = 10;
const WRITE_MULTI: u16 = 15;
/// Number of messages of a session that are kept.
const MOST: usize = 600;

/// Does what a driver does: registers, moves, signals, unregisters.
#[track_caller]
fn drive(machine: &mut Qtest) {
    machine.enable();
    for (offset, value) in [(0, DOORBELL as u32), (4, 0), (8, 0x77), (12, 0)] {
        machine.command(&format!("writel {:#x} {value:#x}", MSIX_BAR + offset));
    }
    // With MSI-X enabled, QEMU lends an eventfd.
    let msix = machine.capability(0x11);
    let control = machine.config(msix);
    machine.set_config(msix, control | 1 << 31);
    machine.command(&format!("writel {:#x} 0", MSIX_BAR + 12));
    machine.ok(code::REG_SBA, &SBA.to_be_bytes());
    machine.ok(code::REG_IEQ, &Bytes::new().be64(IEQ).be64(512).0);
    machine.ok(code::READ_GID, &[]);
    machine.ok(code::ADD_VLAN_ID, &0x1fff_u64.to_be_bytes());
    machine.ok(code::QUERY_INFO, &[]);
    machine.ok(
        code::QUERY_RGID,
        &Bytes::new().be64(GID).be32(1).be32(0x1fff).0,
    );
    let token = machine.ok(code::REG_DMB, &dmb(DMB, 0x4000, FIRST_INDEX, GID));
    let token = u64::from_be_bytes(token.try_into().unwrap());
    for (offset, len) in [(32, 100), (0x100, 64), (0x1ff0, 16)] {
        machine.write(DATA_BAR + target(token, 0, false, offset), &vec![0x5a; len]);
    }
    machine.store(DATA_BAR + target(token, 0, true, 0), [0xfe; 8]);
    let signal = Bytes::new().be64(GID).be32(1).be32(0x83).be64(7);
    machine.ok(code::SIGNAL_IEQ, &signal.0);
    eventually("the event arrives", || {
        (machine.read(IEQ + 7, 1) == [1]).then_some(())
    });
    machine.ok(code::UNREG_DMB, &token.to_be_bytes());
    machine.ok(code::UNREG_IEQ, &[]);
    machine.ok(code::UNREG_SBA, &[]);
    machine.load(COMMAND_BAR);
}

/// Returns the kinds of messages in a session: command, reply or not, answered or not, with descriptors or
/// not; the region of an access. Posted writes become REGION_WRITE_MULTI if they wait, which depends on time,
/// so that counts as REGION_WRITE.
fn kinds(session: &[Heard]) -> BTreeSet<(u16, bool, bool, bool, Option<u32>)> {
    let kind = |heard: &Heard| {
        let flags = u32_at(&heard.bytes, 8);
        let (command, region) = match heard.command() {
            command @ (READ | WRITE) => (command, Some(u32_at(&heard.bytes, 24))),
            // This field comes after the number of writes.
            WRITE_MULTI => (WRITE, Some(u32_at(&heard.bytes, 32))),
            command => (command, None),
        };
        (
            command,
            heard.is_reply(),
            flags & 0x10 != 0,
            heard.fds > 0,
            region,
        )
    };
    session.iter().map(kind).collect()
}

/// Encodes a session as a file: for each message a byte for its descriptors, then the message.
fn encode(session: &[Heard]) -> Vec<u8> {
    let message = |heard: &Heard| [&[heard.fds as u8], &heard.bytes[..]].concat();
    session.iter().take(MOST).flat_map(message).collect()
}

fn decode(mut file: &[u8]) -> Vec<Heard> {
    let mut session = Vec::new();
    while let Some((fds, rest)) = file.split_first() {
        let (message, rest) = rest.split_at(u32_at(rest, 4) as usize);
        session.push(Heard {
            bytes: message.to_vec(),
            fds: usize::from(*fds),
        });
        file = rest;
    }
    session
}

/// Records the session, or compares it with the recording, which must contain every kind of message of the
/// session.
#[track_caller]
fn compare(name: &str, session: &[Heard]) {
    assert_eq!(session[0].command(), 1, "VERSION comes first");
    let path = repository().join("fuzz/sessions").join(name);
    if std::env::var_os("VFIO_USER_ISM_RECORD").is_some() {
        fs::write(&path, encode(session)).unwrap();
    }
    let recorded = decode(&fs::read(&path).unwrap());
    let kept = session.len().min(MOST);
    let (now, then) = (kinds(&session[..kept]), kinds(&recorded));
    let new: Vec<_> = now.difference(&then).collect();
    assert!(
        new.is_empty(),
        "QEMU says what the recording has not: {new:?}; VFIO_USER_ISM_RECORD=1 records it anew"
    );
}

#[track_caller]
fn x86(name: &str, memory: Memory, properties: &str) {
    let daemon = Daemon::with_profile("qemu-stock");
    let relay = Relay::to(&daemon.only());
    let mut machine = Qtest::start(&relay.socket(), memory, properties);
    drive(&mut machine);
    drop(machine);
    let left = daemon.stop();
    assert_eq!(left.function("ism0")["failed_commands"], 0);
    compare(name, &relay.heard());
}

#[test]
#[ignore = "needs QEMU: run ./test"]
fn an_x86_machine_with_shared_memory_says_what_was_recorded() {
    x86("x86-shared", Memory::Descriptor, "");
}

#[test]
#[ignore = "needs QEMU: run ./test"]
fn an_x86_machine_with_private_memory_says_what_was_recorded() {
    x86(
        "x86-messages",
        Memory::Messages,
        r#","x-no-posted-writes":true"#,
    );
}

#[test]
#[ignore = "needs QEMU and a Linux guest: run ./test"]
fn an_s390x_linux_that_boots_says_what_was_recorded() {
    let daemon = Daemon::start();
    let relay = Relay::to(&daemon.only());
    let zpci = "zpci,uid=7,fid=8,target=ism0".to_owned();
    let device = qemu::device(&relay.socket(), "ism0", "");
    let init = "cat /sys/bus/pci/devices/*/config > /dev/null; echo ready; exec sleep 1000";
    let mut guest = Linux::boot(init, &[zpci, device]);
    guest.expect("ready");
    drop(guest);
    daemon.stop();
    compare("s390x-linux", &relay.heard());
}
