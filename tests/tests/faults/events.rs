//! Tests of faults at events, and of events without a cause.

use serde_json::{Value, json};
use vfio_user_ism_tests::driver::{IEQ, SBA, code};
use vfio_user_ism_tests::{Bytes, Driver};

use crate::setup::{GIDS, Pair};

/// Sends SIGNAL_IEQ to the owner with this info. Returns the response code.
fn signal(pair: &mut Pair, info: u64) -> u16 {
    let payload = Bytes::new().be64(GIDS[1]).be32(1).be32(0x80).be64(info);
    pair.writer.run(code::SIGNAL_IEQ, payload).code
}

/// Returns type, code, token and info of an entry.
fn entry(driver: &Driver, slot: u64) -> (u64, u64, u64, u64) {
    let at = IEQ + 32 + 32 * slot;
    let field = |offset: u64, len: usize| driver.ram.be(at + offset, len);
    (field(0, 4), field(4, 4), field(8, 8), field(24, 8))
}

fn index(driver: &Driver) -> u64 {
    driver.ram.be(IEQ, 8)
}

fn once(action: &Value) -> Value {
    json!({ "id": "it", "on": { "function": "ism1" }, "do": action, "limit": 1 })
}

#[test]
fn an_event_is_lost() {
    let mut pair = Pair::with(&[once(&json!("lose-event"))]);
    assert_eq!(signal(&mut pair, 1), 0);
    assert_eq!((index(&pair.owner), pair.owner.irq.take()), (0, 0));
    assert_eq!(signal(&mut pair, 2), 0);
    assert_eq!((index(&pair.owner), pair.owner.irq.take()), (1, 1));
    assert_eq!(entry(&pair.owner, 0).3, 2);
}

#[test]
fn a_queue_is_full() {
    let mut pair = Pair::with(&[once(&json!("full-queue"))]);
    assert_eq!(signal(&mut pair, 1), 0x0c);
    assert_eq!((index(&pair.owner), pair.owner.irq.take()), (0, 0));
    assert_eq!(pair.owner.ram.read(SBA, 1), [0]);
    assert_eq!(signal(&mut pair, 2), 0);
    assert_eq!((index(&pair.owner), pair.owner.irq.take()), (1, 1));
}

#[test]
fn an_event_overwrites_the_one_before_it() {
    let mut pair = Pair::new();
    assert_eq!(signal(&mut pair, 1), 0);
    pair.control.set(&once(&json!("overwrite-event")));
    assert_eq!(signal(&mut pair, 2), 0);
    assert_eq!((index(&pair.owner), entry(&pair.owner, 0).3), (1, 2));
    assert_eq!(pair.owner.irq.take(), 2);
    assert_eq!(signal(&mut pair, 3), 0);
    assert_eq!((index(&pair.owner), entry(&pair.owner, 1).3), (2, 3));
}

#[test]
fn an_event_has_another_type_or_code() {
    let mut pair = Pair::with(&[once(&json!({ "change-event": { "type": 0x77 } }))]);
    assert_eq!(signal(&mut pair, 1), 0);
    assert_eq!(entry(&pair.owner, 0), (0x77, 0x80, GIDS[0], 1));
    pair.control.set(&once(
        &json!({ "change-event": { "code": 0xffff_ffff_u32 } }),
    ));
    assert_eq!(signal(&mut pair, 2), 0);
    assert_eq!(entry(&pair.owner, 1), (2, 0xffff_ffff, GIDS[0], 2));
    assert_eq!(signal(&mut pair, 3), 0);
    assert_eq!(entry(&pair.owner, 2), (2, 0x80, GIDS[0], 3));
}

#[test]
fn events_of_any_type_come_for_nothing() {
    let mut pair = Pair::new();
    let event = json!({ "queue-event": { "type": 0xdead, "code": 4, "token": "0x1122334455667788",
        "info": "0xf" } });
    pair.control.inject("ism1", &event);
    assert_eq!(
        entry(&pair.owner, 0),
        (0xdead, 4, 0x1122_3344_5566_7788, 0xf)
    );
    assert_eq!((index(&pair.owner), pair.owner.irq.take()), (1, 1));
    assert_eq!(pair.owner.ram.read(SBA, 1), [0xc0]);
    assert_eq!(index(&pair.writer), 0);
}

#[test]
fn fifteen_events_look_like_none_and_more_overwrite_the_oldest() {
    let mut pair = Pair::new();
    let burst = |times: u64| json!({ "queue-event": { "type": 2, "times": times } });
    assert_eq!(signal(&mut pair, 1), 0);
    assert_eq!((index(&pair.owner), pair.owner.irq.take()), (1, 1));
    pair.control.inject("ism1", &burst(15));
    assert_eq!(
        (index(&pair.owner), pair.owner.irq.take()),
        (1, 1),
        "one interrupt for all"
    );
    assert_eq!(
        entry(&pair.owner, 0).1,
        0,
        "the event before is overwritten"
    );
    pair.control.inject("ism1", &burst(3));
    assert_eq!((index(&pair.owner), pair.owner.irq.take()), (4, 1));
}

#[test]
fn gid_events_come_about_anybody() {
    let mut pair = Pair::new();
    let inject = |pair: &mut Pair, action: Value| {
        pair.control
            .ok(&json!({ "request": "inject", "function": "ism1", "peer": "ism0", "do": action }));
    };
    inject(&mut pair, json!("gid-event"));
    assert_eq!(
        entry(&pair.owner, 0),
        (1, 7, GIDS[0], 0),
        "the peer that is there"
    );
    inject(
        &mut pair,
        json!({ "gid-event": { "gid": "0x99", "code": 1 } }),
    );
    assert_eq!(
        entry(&pair.owner, 1),
        (1, 1, 0x99, 0),
        "one that nobody has"
    );
    assert_eq!(pair.owner.irq.take(), 2);
    inject(
        &mut pair,
        json!({ "gid-event": { "gid": "0x99", "times": 12 } }),
    );
    assert_eq!(
        (index(&pair.owner), pair.owner.irq.take()),
        (14, 1),
        "a burst"
    );
    assert_eq!(pair.writer.irq.take(), 0);
    inject(&mut pair, json!({ "gid-event": { "who": "peer" } }));
    assert_eq!(entry(&pair.writer, 0), (1, 7, GIDS[1], 0));
}

#[test]
fn an_event_comes_with_a_command_or_a_move() {
    let mut pair = Pair::with(&[
        json!({ "id": "it", "on": { "command": "QUERY_RGID", "peer": "ism1" },
        "do": { "gid-event": { "who": "peer" } }, "limit": 1 }),
    ]);
    let query = |pair: &mut Pair| {
        let payload = Bytes::new().be64(GIDS[1]).be32(0).be32(0);
        pair.writer.run(code::QUERY_RGID, payload).code
    };
    assert_eq!(query(&mut pair), 0);
    assert_eq!(entry(&pair.owner, 0), (1, 7, GIDS[0], 0));
    assert_eq!(query(&mut pair), 0);
    assert_eq!(index(&pair.owner), 1);
}

#[test]
fn a_fault_is_for_events_of_one_kind() {
    let mut pair =
        Pair::with(&[json!({ "id": "it", "on": { "event_type": 1 }, "do": "lose-event" })]);
    assert_eq!(signal(&mut pair, 1), 0);
    assert_eq!(index(&pair.owner), 1);
    pair.control
        .set(&json!({ "id": "it", "on": { "event_type": 2, "peer": "ism0" }, "do": "lose-event" }));
    assert_eq!(signal(&mut pair, 1), 0);
    assert_eq!(index(&pair.owner), 1);
}
