//! Tests of faults that hit a whole function: error state, disappearance, return; and of peers that die in a
//! handshake.

use serde_json::{Value, json};
use vfio_user_ism_tests::client::command;
use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, IEQ, IOVA, code, dmb, pcilg, target};
use vfio_user_ism_tests::errno::EIO;
use vfio_user_ism_tests::patience::eventually;
use vfio_user_ism_tests::{Bytes, Client, Driver, Via};

use crate::setup::{GIDS, Pair, start};

/// The index of the error interrupt (VFIO_PCI_ERR_IRQ_INDEX).
const ERROR_IRQ: u32 = 3;

/// Sends QUERY_RGID for the owner as the writer. Returns true if it is reachable.
fn reaches(pair: &mut Pair) -> bool {
    let payload = Bytes::new().be64(GIDS[1]).be32(0).be32(0);
    pair.writer.run(code::QUERY_RGID, payload).code == 0
}

/// True if the function carried out ADD_VLAN_ID, by the event file.
fn ran(pair: Pair) -> bool {
    let stopped = pair.stop();
    let mut commands = stopped.events_named("command");
    commands.any(|event| event["name"] == "ADD_VLAN_ID")
}

#[test]
fn the_error_state_is_entered_and_left_by_a_reset() {
    let mut pair = Pair::new();
    let error = pair.owner.client.eventfd(ERROR_IRQ);
    pair.control.inject("ism1", &json!("error-state"));
    assert_eq!(error.wait(), 1);
    pair.owner.client.read(2, 0, 8).refused(EIO);
    pair.owner.client.write(2, 0, &[0; 8]).refused(EIO);
    pair.writer.gid();
    let functions = pair.control.ok(&json!({ "request": "functions" }));
    assert_eq!(functions["functions"][1]["condition"], "error");
    pair.owner.client.request(command::RESET, []).ok();
    pair.owner.register();
    assert_eq!(pair.owner.gid(), GIDS[1]);
    assert_eq!(error.take(), 0);
}

#[test]
fn the_error_state_comes_before_or_after_a_command() {
    for (moment, done) in [("before", false), ("after", true)] {
        let mut pair = Pair::with(&[json!({ "id": "it", "on": { "command": "ADD_VLAN_ID" },
            "do": { "error-state": { "moment": moment } }, "limit": 1 })]);
        let store = start(&mut pair.writer, code::ADD_VLAN_ID, &Bytes::new().be64(5).0);
        assert_eq!(store.errno(), if done { None } else { Some(EIO) });
        pair.writer.client.read(2, 0, 8).refused(EIO);
        assert_eq!(ran(pair), done);
    }
}

#[test]
fn the_error_state_is_left_without_a_reset() {
    let mut pair = Pair::new();
    pair.control.inject("ism1", &json!("error-state"));
    pair.owner.client.read(2, 0, 8).refused(EIO);
    pair.control.inject("ism1", &json!("come-back"));
    pair.owner.register();
    assert_eq!(pair.owner.gid(), GIDS[1]);
}

#[test]
fn a_function_is_gone_without_a_word() {
    let mut pair = Pair::new();
    assert!(reaches(&mut pair));
    pair.control.inject("ism1", &json!("vanish"));
    // Its own driver reads ones, and stores are lost.
    assert_eq!(pair.owner.client.read(2, 0, 8).data(), [0xff; 8]);
    assert_eq!(pair.owner.client.read(7, 0, 4).data(), [0xff; 4]);
    pair.owner.client.write(2, 0, &[0; 8]).ok();
    let mut channel = Client::open(&pair.daemon.channel("ism1"));
    assert_eq!(pcilg(&mut channel, 2, 0, 8), Ok(vec![0xff; 8]));
    // Its peer gets no event, and finds out by itself.
    assert_eq!((pair.writer.irq.take(), pair.writer.ram.be(IEQ, 8)), (0, 0));
    assert!(!reaches(&mut pair));
    let at = target(pair.token, 0, true, 0);
    assert!(pair.writer.put(at, b"x").errno().is_some());
    assert_eq!(pair.owner.irq.take(), 0);
    // A reset does not reach it.
    pair.owner.client.request(command::RESET, []).ok();
    assert_eq!(pair.owner.client.read(2, 0, 8).data(), [0xff; 8]);
    pair.control.inject("ism1", &json!("come-back"));
    pair.owner.register();
    assert_eq!(pair.owner.gid(), GIDS[1]);
    assert!(reaches(&mut pair));
}

#[test]
fn a_function_that_is_gone_is_there_for_a_new_client() {
    let mut pair = Pair::new();
    pair.control.inject("ism1", &json!("vanish"));
    assert_eq!(pair.owner.client.read(2, 0, 8).data(), [0xff; 8]);
    let Pair { owner, daemon, .. } = pair;
    drop(owner);
    let mut again = Driver::probe(&daemon.socket("ism1"), Via::Bar);
    assert_eq!(again.gid(), GIDS[1]);
}

#[test]
fn a_function_is_gone_in_the_middle_of_a_command() {
    for (moment, done) in [("before", false), ("after", true)] {
        let mut pair = Pair::with(&[
            json!({ "id": "it", "on": { "function": "ism0", "command": "ADD_VLAN_ID" },
            "do": { "vanish": { "moment": moment } }, "limit": 1 }),
        ]);
        start(&mut pair.writer, code::ADD_VLAN_ID, &Bytes::new().be64(5).0).ok();
        assert_eq!(pair.writer.client.read(2, 0, 8).data(), [0xff; 8]);
        assert_eq!(ran(pair), done);
    }
}

#[test]
fn a_function_comes_back_with_another_gid() {
    let mut pair = Pair::new();
    let old = pair.token;
    pair.control
        .inject("ism1", &json!({ "come-back": { "gid": "0x77" } }));
    // The peer, which shared a DMB with it, gets an event about the old GID.
    assert_eq!(pair.writer.irq.wait(), 1);
    assert_eq!(pair.writer.ram.be(IEQ + 32 + 8, 8), GIDS[1]);
    assert!(!reaches(&mut pair), "the old GID is nobody's");
    pair.owner.register();
    assert_eq!(pair.owner.gid(), 0x77);
    let payload = Bytes::new().be64(0x77).be32(0).be32(0);
    assert_eq!(pair.writer.run(code::QUERY_RGID, payload).code, 0);
    assert!(
        pair.writer
            .put(target(old, 0, false, 0), b"x")
            .errno()
            .is_some()
    );
    // A GID that another function has is not accepted.
    pair.control.inject(
        "ism1",
        &json!({ "come-back": { "gid": format!("{:#x}", GIDS[0]) } }),
    );
    pair.owner.register();
    assert_eq!(pair.owner.gid(), 0x77);
}

#[test]
fn a_reset_brings_another_gid() {
    let mut pair = Pair::with(&[
        json!({ "id": "it", "on": { "at": "reset", "function": "ism1" },
        "do": { "come-back": { "gid": "0x77" } }, "limit": 1 }),
    ]);
    assert_eq!(pair.owner.gid(), GIDS[1]);
    pair.owner.client.request(command::RESET, []).ok();
    assert_eq!(pair.owner.gid(), 0x77);
}

/// A step of a handshake by the writer, which may fail.
type Step = fn(&mut Pair);

fn query(pair: &mut Pair) {
    reaches(pair);
}

fn register(pair: &mut Pair) {
    let payload = dmb(IOVA + DMB, 0x1000, FIRST_INDEX, GIDS[1]);
    pair.writer.run(code::REG_DMB, payload);
}

fn announce(pair: &mut Pair) {
    let payload = Bytes::new().be64(GIDS[1]).be32(1).be32(0x83).be64(0);
    pair.writer.run(code::SIGNAL_IEQ, payload);
}

fn first_move(pair: &mut Pair) {
    let at = target(pair.token, 0, true, 0);
    pair.writer.put(at, b"x");
}

#[test]
fn a_peer_dies_in_each_phase_of_a_handshake() {
    let phases: [(Value, Step); 4] = [
        (json!({ "command": "QUERY_RGID" }), query),
        (json!({ "command": "REG_DMB", "peer": "ism1" }), register),
        (json!({ "command": "SIGNAL_IEQ" }), announce),
        (json!({ "at": "move" }), first_move),
    ];
    for (on, step) in phases {
        for moment in ["before", "after"] {
            for action in ["error-state", "vanish", "close-connection"] {
                let mut pair = Pair::new();
                let told = format!("{action} {moment} {on}");
                pair.owner.gid();
                pair.control.set(&json!({ "id": "it", "on": on, "limit": 1,
                    "do": { action: { "who": "peer", "moment": moment } } }));
                step(&mut pair);
                let functions = pair.control.ok(&json!({ "request": "functions" }));
                let condition = functions["functions"][1]["condition"].clone();
                match action {
                    "error-state" => assert_eq!(condition, "error", "{told}"),
                    "vanish" => assert_eq!(condition, "gone", "{told}"),
                    _ => pair.owner.client.wire.expect_closed(),
                }
                // The function that asked is alive, and can ask again.
                assert_eq!(pair.writer.gid(), GIDS[0], "{told}");
                step(&mut pair);
                pair.writer.run(code::READ_GID, []).number();
            }
        }
    }
}

#[test]
fn a_function_dies_before_it_has_a_peer() {
    let phases = [
        ("REG_SBA", code::REG_SBA, Bytes::new().be64(IOVA).0),
        (
            "REG_IEQ",
            code::REG_IEQ,
            Bytes::new().be64(IOVA + IEQ).be64(512).0,
        ),
        ("READ_GID", code::READ_GID, vec![]),
        (
            "ADD_VLAN_ID",
            code::ADD_VLAN_ID,
            Bytes::new().be64(0x1fff).0,
        ),
        ("QUERY_INFO", code::QUERY_INFO, vec![]),
    ];
    for (name, code, payload) in phases {
        let mut pair = Pair::new();
        pair.control.set(
            &json!({ "id": "it", "on": { "function": "ism0", "command": name },
            "do": "vanish", "limit": 1 }),
        );
        pair.writer.client.write(2, 8, &payload).errno();
        pair.writer
            .store(
                2,
                0,
                &vfio_user_ism_tests::driver::header(code, 8 + payload.len() as u16),
            )
            .ok();
        assert_eq!(pair.writer.client.read(2, 0, 8).data(), [0xff; 8], "{name}");
        assert_eq!(pair.owner.gid(), GIDS[1], "{name}");
    }
}

#[test]
fn an_injected_restart_ends_connections_and_registrations() {
    let mut pair = Pair::new();
    pair.control
        .inject("ism0", &json!({ "restart": { "ms": 1 } }));
    pair.writer.client.wire.expect_closed();
    pair.owner.client.wire.expect_closed();
    let (mut writer, mut owner) = (
        Driver::attach(&pair.daemon.socket("ism0"), Via::Bar),
        Driver::attach(&pair.daemon.socket("ism1"), Via::Bar),
    );
    // No old registration is left.
    let at = target(pair.token, 0, false, 0);
    assert!(writer.put(at, b"x").errno().is_some());
    owner.register();
    writer.register();
    let token = owner.register_dmb(0x1000, FIRST_INDEX, GIDS[0]);
    writer.put(target(token, 0, true, 0), b"x").ok();
    assert_eq!(owner.irq.wait(), 1);
}

#[test]
fn while_the_server_restarts_nobody_is_answered() {
    let mut pair = Pair::new();
    pair.control
        .inject("ism0", &json!({ "restart": { "ms": 600_000 } }));
    pair.owner.client.wire.expect_closed();
    let mut client = Client::connect(&pair.daemon.socket("ism1"));
    let version = vfio_user_ism_tests::client::version(0, 0, vfio_user_ism_tests::client::QEMU);
    let request = vfio_user_ism_tests::wire::message(1, command::VERSION, 0, &version);
    client.wire.send(&request);
    // The control socket still answers.
    eventually("the other client's connection is closed as well", || {
        let functions = pair.control.ok(&json!({ "request": "functions" }));
        (functions["functions"][1]["connected"] == false).then_some(())
    });
    assert!(!client.wire.has_bytes());
    // A later restart ends the pause of the first one.
    pair.control
        .inject("ism0", &json!({ "restart": { "ms": 0 } }));
    eventually("the pause is over", || {
        let mut other = Client::connect(&pair.daemon.socket("ism0"));
        other.wire.send(&request);
        eventually("an answer", || other.wire.has_bytes().then_some(()));
        Some(())
    });
}
