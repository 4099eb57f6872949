//! Tests of faults at commands.

use serde_json::{Value, json};
use vfio_user_ism_tests::client::{command, region_write};
use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, IOVA, code, dmb, header};
use vfio_user_ism_tests::wire::message;
use vfio_user_ism_tests::{Bytes, Driver};

use crate::setup::{GIDS, Pair, recorded, start};

/// Returns the header of the present response: command, code, length.
fn head(driver: &mut Driver) -> (u32, u16, u16) {
    let head = driver.load(2, 0);
    let half = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let command = u32::from_be_bytes(head[..4].try_into().unwrap());
    (command, half(4), half(6))
}

#[test]
fn any_command_can_be_answered_with_any_code() {
    let mut pair = Pair::new();
    let gid = Bytes::new().be64(GIDS[1]).0;
    let queries = [
        ("READ_GID", code::READ_GID, vec![], 16),
        ("QUERY_INFO", code::QUERY_INFO, vec![], 200),
        ("ADD_VLAN_ID", code::ADD_VLAN_ID, Bytes::new().be64(5).0, 8),
        (
            "SIGNAL_IEQ",
            code::SIGNAL_IEQ,
            Bytes::new().raw(&gid).be64(0).be64(0).0,
            8,
        ),
        ("0xdd", 0xdd, vec![], 8),
    ];
    for (name, command, payload, len) in queries {
        for wanted in [1_u16, 0x1234, 0xffff] {
            pair.control.set(
                &json!({ "id": "it", "on": { "function": "ism0", "command": name },
                "do": { "respond": { "code": wanted } } }),
            );
            start(&mut pair.writer, command, &payload).ok();
            assert_eq!(head(&mut pair.writer), (command, wanted, 8), "{name}");
            pair.control.clear();
            start(&mut pair.writer, command, &payload).ok();
            let (_, right, right_len) = head(&mut pair.writer);
            assert_ne!(right, wanted, "{name}");
            if right == 0 {
                assert_eq!(right_len, len, "{name}");
            }
        }
    }
}

#[test]
fn a_code_comes_with_or_without_the_command() {
    let register = |carried_out: bool| {
        let mut pair = Pair::new();
        pair.control.set(
            &json!({ "id": "it", "on": { "function": "ism0", "command": "REG_DMB" },
            "do": { "respond": { "code": 12, "carried_out": carried_out } }, "limit": 1 }),
        );
        let payload = dmb(IOVA + DMB, 0x1000, FIRST_INDEX, GIDS[1]);
        assert_eq!(pair.writer.run(code::REG_DMB, &payload).code, 12);
        // The index is taken only if the command was carried out.
        pair.writer.run(code::REG_DMB, &payload).code
    };
    assert_eq!(register(false), 0);
    assert_ne!(register(true), 0);
}

#[test]
fn success_without_the_command_does_nothing() {
    let mut pair = Pair::new();
    pair.control
        .set(&json!({ "id": "it", "on": { "command": "ADD_VLAN_ID" },
        "do": { "respond": { "code": 0 } }, "limit": 1 }));
    let vlan = Bytes::new().be64(5).0;
    assert_eq!(pair.writer.run(code::ADD_VLAN_ID, &vlan).code, 0);
    pair.writer.run(code::DEL_VLAN_ID, &vlan).failed();
    pair.writer.run(code::ADD_VLAN_ID, &vlan).ok();
    pair.writer.run(code::DEL_VLAN_ID, &vlan).ok();
}

#[test]
fn a_late_response_holds_the_reply_to_the_store_that_starts_it() {
    let mut pair = Pair::with(&[json!({ "id": "late",
        "on": { "function": "ism0", "command": "READ_GID" },
        "do": { "late-response": { "ms": 600_000 } }, "limit": 1 })]);
    // The other function is not delayed.
    pair.owner.gid();
    let store = region_write(2, 0, &header(code::READ_GID, 8));
    let wire = &mut pair.writer.client.wire;
    wire.send(&message(7, command::REGION_WRITE, 0, &store));
    pair.wait_for("late");
    assert_eq!(pair.owner.gid(), GIDS[1]);
    assert!(!pair.writer.client.wire.has_bytes());
    let stopped = pair.stop();
    assert_eq!(
        recorded(&stopped),
        [("late".to_owned(), "late-response".to_owned())]
    );
    // The command itself was carried out at once.
    let name = |event: &&Value| event["function"] == "ism0" && event["name"] == "READ_GID";
    assert_eq!(stopped.events_named("command").filter(name).count(), 1);
}

#[test]
fn a_late_response_comes() {
    let mut pair = Pair::with(&[json!({ "id": "late",
        "on": { "function": "ism0", "command": "READ_GID" },
        "do": { "late-response": { "ms": 50 } } })]);
    assert_eq!(pair.writer.gid(), GIDS[0]);
    assert_eq!(pair.writer.gid(), GIDS[0]);
    pair.wait_for("late");
}

#[test]
fn a_response_stays_empty() {
    let mut pair = Pair::with(&[json!({ "id": "empty", "on": { "command": "READ_GID" },
        "do": "empty-response", "limit": 1 })]);
    start(&mut pair.writer, code::READ_GID, &[]).ok();
    for _ in 0..5 {
        assert_eq!(pair.writer.load(2, 0), [0; 8]);
        assert_eq!(pair.writer.load(2, 8), [0; 8]);
    }
    assert_eq!(pair.writer.gid(), GIDS[0]);
}

#[test]
fn an_empty_response_fills_after_so_many_loads() {
    let mut pair = Pair::with(&[json!({ "id": "empty", "on": { "command": "READ_GID" },
        "do": { "empty-response": { "loads": 3, "byte": 255 } }, "limit": 1 })]);
    start(&mut pair.writer, code::READ_GID, &[]).ok();
    for _ in 0..3 {
        assert_eq!(pair.writer.load(2, 0), [0xff; 8]);
    }
    assert_eq!(pair.writer.response().number(), GIDS[0]);
}

#[test]
fn a_response_has_the_wrong_length() {
    let mut pair = Pair::new();
    for length in [0_u16, 7, 12, 0xffff] {
        pair.control
            .set(&json!({ "id": "length", "on": { "command": "READ_GID" },
            "do": { "response-length": { "length": length } } }));
        start(&mut pair.writer, code::READ_GID, &[]).ok();
        assert_eq!(head(&mut pair.writer), (code::READ_GID, 0, length));
        assert_eq!(pair.writer.load(2, 8), GIDS[0].to_be_bytes());
    }
    pair.control.clear();
    start(&mut pair.writer, code::READ_GID, &[]).ok();
    assert_eq!(head(&mut pair.writer), (code::READ_GID, 0, 16));
}

#[test]
fn a_command_is_dropped() {
    let mut pair = Pair::with(
        &[json!({ "id": "dropped", "on": { "command": "ADD_VLAN_ID" },
        "do": "drop-command", "limit": 1 })],
    );
    assert_eq!(pair.writer.gid(), GIDS[0]);
    let vlan = Bytes::new().be64(5).0;
    start(&mut pair.writer, code::ADD_VLAN_ID, &vlan).ok();
    // The previous response is still there.
    assert_eq!(head(&mut pair.writer), (code::READ_GID, 0, 16));
    assert_eq!(pair.writer.load(2, 8), GIDS[0].to_be_bytes());
    pair.writer.run(code::DEL_VLAN_ID, &vlan).failed();
    start(&mut pair.writer, code::ADD_VLAN_ID, &vlan).ok();
    assert_eq!(head(&mut pair.writer), (code::ADD_VLAN_ID, 0, 8));
    let stopped = pair.stop();
    let name = |event: &&Value| event["name"] == "ADD_VLAN_ID";
    assert_eq!(stopped.events_named("command").filter(name).count(), 1);
}
