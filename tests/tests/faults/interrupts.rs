//! Tests of faults at interrupts, and of interrupts without a cause.

use serde_json::{Value, json};
use vfio_user_ism_tests::driver::{SBA, target};

use crate::setup::Pair;

/// Makes a move with a signal. Returns the owner's number of interrupts after it.
fn signal(pair: &mut Pair) -> u64 {
    let at = target(pair.token, 0, true, 0);
    pair.writer.put(at, b"x").ok();
    pair.owner.irq.take()
}

fn fault(action: &Value) -> Value {
    json!({ "id": "it", "on": { "function": "ism1" }, "do": action, "limit": 1 })
}

#[test]
fn an_interrupt_is_lost() {
    let mut pair = Pair::with(&[fault(&json!("lose-interrupt"))]);
    assert_eq!(signal(&mut pair), 0);
    assert_eq!(pair.owner.ram.read(SBA, 1), [0x80], "the bits are set");
    assert_eq!(signal(&mut pair), 1);
}

#[test]
fn an_interrupt_is_doubled() {
    let mut pair = Pair::with(&[fault(&json!("repeat-interrupt"))]);
    assert_eq!(signal(&mut pair), 2);
    assert_eq!(signal(&mut pair), 1);
    pair.control
        .set(&fault(&json!({ "repeat-interrupt": { "times": 99 } })));
    assert_eq!(signal(&mut pair), 100);
}

#[test]
fn an_interrupt_is_delayed() {
    let mut pair = Pair::with(&[fault(&json!({ "delay-interrupt": { "ms": 600_000 } }))]);
    assert_eq!(signal(&mut pair), 0);
    pair.owner.gid();
    assert_eq!(pair.owner.irq.take(), 0);
    pair.control
        .set(&fault(&json!({ "delay-interrupt": { "ms": 50 } })));
    let at = target(pair.token, 0, true, 0);
    pair.writer.put(at, b"x").ok();
    assert_eq!(pair.owner.irq.wait(), 1);
}

#[test]
fn an_interrupt_comes_for_nothing() {
    let mut pair = Pair::new();
    pair.control.inject("ism1", &json!("spurious-interrupt"));
    assert_eq!(pair.owner.irq.take(), 1);
    assert_eq!(pair.owner.ram.read(SBA, 256), [0; 256]);
    assert_eq!(pair.writer.irq.take(), 0);
    let spurious = json!({ "id": "it", "on": { "at": "move" }, "limit": 1,
        "do": { "spurious-interrupt": { "who": "function" } } });
    pair.control.set(&spurious);
    assert_eq!(signal(&mut pair), 1);
    assert_eq!(pair.writer.irq.take(), 1);
    assert_eq!(signal(&mut pair), 1);
    assert_eq!(pair.writer.irq.take(), 0);
}

#[test]
fn interrupts_come_in_storms() {
    let mut pair = Pair::new();
    pair.control
        .inject("ism1", &json!({ "interrupt-storm": { "times": 5000 } }));
    assert_eq!(pair.owner.irq.take(), 5000);
    pair.control.inject(
        "ism1",
        &json!({ "interrupt-storm": { "times": 20, "interval_ms": 1 } }),
    );
    let mut seen = 0;
    while seen < 20 {
        seen += pair.owner.irq.wait();
    }
    assert_eq!(seen, 20);
    // The function still works.
    assert_eq!(signal(&mut pair), 1);
}

#[test]
fn a_fault_is_for_interrupts_of_one_function() {
    let mut pair =
        Pair::with(&[json!({ "id": "it", "on": { "function": "ism0" }, "do": "lose-interrupt" })]);
    assert_eq!(signal(&mut pair), 1);
    pair.control
        .set(&json!({ "id": "it", "on": { "peer": "ism1" }, "do": "lose-interrupt" }));
    assert_eq!(signal(&mut pair), 1);
    pair.control
        .set(&json!({ "id": "it", "on": { "peer": "ism0" }, "do": "lose-interrupt" }));
    assert_eq!(signal(&mut pair), 0);
}
