//! Tests of faults at vfio-user messages: replies that are late, lost or cut, and closed connections.

use serde_json::{Value, json};
use vfio_user_ism_tests::client::{ZPCI, access, command, region_write, version};
use vfio_user_ism_tests::driver::{header, zpci_request};
use vfio_user_ism_tests::ring::{PROPOSAL, Ring};
use vfio_user_ism_tests::wire::{HEADER, message};
use vfio_user_ism_tests::{Client, Daemon};

use crate::setup::{GIDS, Pair, recorded};

/// Builds a read of 4 bytes of configuration space.
fn read(id: u16) -> Vec<u8> {
    message(id, command::REGION_READ, 0, &access(7, 0, 4).0)
}

fn fault(action: &Value) -> Value {
    json!({ "id": "it", "on": { "function": "ism0", "message": "REGION_READ" },
        "do": action, "limit": 1 })
}

#[test]
fn a_reply_comes_late_and_those_behind_it() {
    let mut pair = Pair::later(&[fault(&json!({ "delay-reply": { "ms": 600_000 } }))]);
    pair.writer.client.wire.send(&[read(1), read(2)].concat());
    pair.wait_for("it");
    assert_eq!(pair.owner.gid(), GIDS[1], "others are answered");
    assert!(!pair.writer.client.wire.has_bytes());
    let mut pair = Pair::later(&[fault(&json!({ "delay-reply": { "ms": 50 } }))]);
    pair.writer.client.wire.send(&[read(1), read(2)].concat());
    for id in [1, 2] {
        let reply = pair.writer.client.wire.receive().unwrap();
        assert_eq!(reply.id, id);
        assert_eq!(reply.data().len(), 4);
    }
}

#[test]
fn a_client_that_leaves_does_not_keep_its_place_for_the_delay() {
    let mut pair = Pair::later(&[fault(&json!({ "delay-reply": { "ms": 600_000 } }))]);
    pair.writer.client.wire.send(&read(1));
    pair.wait_for("it");
    let socket = pair.daemon.socket("ism0");
    drop(pair.writer);
    Client::open(&socket).read(7, 0, 4).ok();
}

#[test]
fn a_reply_is_lost() {
    let mut pair = Pair::later(&[fault(&json!("lose-reply"))]);
    pair.writer.client.wire.send(&[read(1), read(2)].concat());
    let reply = pair.writer.client.wire.receive().unwrap();
    assert_eq!(reply.id, 2, "the first one never comes");
    let stopped = pair.stop();
    assert_eq!(
        recorded(&stopped),
        [("it".to_owned(), "lose-reply".to_owned())]
    );
    let reads = stopped.events_named("config-read");
    assert_eq!(
        reads.filter(|event| event["function"] == "ism0").count(),
        2,
        "both are carried out"
    );
}

/// Returns the bytes until the connection ends.
fn rest(client: &mut Client) -> Vec<u8> {
    client.wire.rest()
}

#[test]
fn the_connection_closes_in_the_middle_of_a_reply() {
    for bytes in [0_usize, 5, HEADER, HEADER + 3] {
        let mut pair = Pair::later(&[fault(&json!({ "cut-reply": { "bytes": bytes } }))]);
        pair.writer.client.wire.send(&read(1));
        assert_eq!(rest(&mut pair.writer.client).len(), bytes);
        // The server serves the next client.
        let mut again = Client::open(&pair.daemon.socket("ism0"));
        assert_eq!(again.read(7, 0, 4).data().len(), 4);
        pair.owner.gid();
    }
}

#[test]
fn the_connection_closes_before_or_after_a_message() {
    for (moment, carried_out) in [("before", 0), ("after", 1)] {
        let mut pair = Pair::later(&[fault(&json!({ "close-connection": { "moment": moment } }))]);
        pair.writer.client.wire.send(&read(1));
        rest(&mut pair.writer.client);
        let mut again = Client::open(&pair.daemon.socket("ism0"));
        again.request(command::RESET, []).ok();
        let stopped = pair.stop();
        let reads = stopped.events_named("config-read");
        assert_eq!(
            reads.filter(|event| event["function"] == "ism0").count(),
            carried_out,
            "{moment}"
        );
    }
}

#[test]
fn the_connection_of_the_peer_closes_at_a_command() {
    let mut pair = Pair::later(&[
        json!({ "id": "it", "on": { "function": "ism0", "command": "READ_GID" },
        "do": "close-connection", "limit": 1 }),
    ]);
    pair.writer.client.wire.send(&message(
        1,
        command::REGION_WRITE,
        0,
        &vfio_user_ism_tests::client::region_write(
            2,
            0,
            &vfio_user_ism_tests::driver::header(3, 8),
        ),
    ));
    rest(&mut pair.writer.client);
    assert_eq!(pair.owner.gid(), GIDS[1]);
}

/// Tests that no answer comes through the ring after the fault has closed the socket beside it.
#[test]
fn a_connection_with_a_ring_closes_without_an_answer() {
    for action in ["close-connection", "restart"] {
        let pair = Pair::later(&[
            json!({ "id": "it", "on": { "function": "ism0", "command": "READ_GID" },
            "do": action, "limit": 1 }),
        ]);
        let mut channel = Client::open_ring(&pair.daemon.channel("ism0"));
        let request = zpci_request(2, 0, 2, 0, 8).raw(&header(3, 8));
        let store = message(
            1,
            command::REGION_WRITE,
            0,
            &region_write(ZPCI, 16, &request.0),
        );
        let load = message(2, command::REGION_READ, 0, &access(ZPCI, 48, 8).0);
        channel.wire.send(&[store, load].concat());
        assert_eq!(
            channel.wire.receive().map(|reply| reply.id),
            None,
            "{action}"
        );
    }
}

#[test]
fn a_ring_whose_announcement_is_lost_is_not_used() {
    let profile = crate::setup::profile(&[json!({ "id": "it",
        "on": { "message": "VERSION" }, "do": "lose-reply", "limit": 1 })]);
    let daemon = Daemon::with_text(&profile.to_string());
    let ring = Ring::new();
    let mut client = Client::connect(&daemon.channel("ism0"));
    let body = version(0, 0, PROPOSAL);
    let request = message(1, command::VERSION, 0, &body);
    client.wire.send_with_fds(&request, &ring.fds());
    let read = message(2, command::REGION_READ, 0, &access(ZPCI, 0, 8).0);
    client.wire.send(&read);
    assert_eq!(client.wire.receive().map(|reply| reply.id), Some(2));
}

#[test]
fn the_server_restarts_at_a_message() {
    let mut pair = Pair::later(&[fault(&json!({ "restart": { "ms": 1 } }))]);
    pair.writer.client.wire.send(&read(1));
    rest(&mut pair.writer.client);
    pair.owner.client.wire.expect_closed();
    let mut again = Client::open(&pair.daemon.socket("ism0"));
    assert_eq!(again.read(7, 0, 4).data().len(), 4);
}

#[test]
fn a_fault_is_for_messages_of_one_command() {
    let mut pair = Pair::later(&[json!({ "id": "it", "on": { "message": "DEVICE_RESET" },
        "do": "lose-reply" })]);
    assert_eq!(pair.writer.client.read(7, 0, 4).data().len(), 4);
    let reset = message(1, command::RESET, 0, &[]);
    pair.writer.client.wire.send(&[reset, read(2)].concat());
    assert_eq!(pair.writer.client.wire.receive().unwrap().id, 2);
}

#[test]
fn a_version_is_cut_too() {
    let daemon = Daemon::with_text(
        &crate::setup::profile(&[json!({ "id": "it",
        "on": { "message": "VERSION" }, "do": { "cut-reply": { "bytes": 20 } }, "limit": 1 })])
        .to_string(),
    );
    let mut client = Client::connect(&daemon.socket("ism0"));
    let version = vfio_user_ism_tests::client::version(0, 0, vfio_user_ism_tests::client::QEMU);
    client.wire.send(&message(1, command::VERSION, 0, &version));
    assert_eq!(rest(&mut client).len(), 20);
    drop(Client::open(&daemon.socket("ism0")));
}
