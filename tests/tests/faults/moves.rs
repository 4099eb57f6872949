//! Tests of faults at moves. Each effect is visible in the owner's memory, and the same move without the
//! fault is complete.

use serde_json::{Value, json};
use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, SBA, target};
use vfio_user_ism_tests::errno::{EFAULT, EINVAL, EIO};
use vfio_user_ism_tests::patience::eventually;
use vfio_user_ism_tests::{Driver, Message};

use crate::setup::{Pair, recorded};

/// The errno ENODEV on the wire.
const ENODEV: u32 = 19;
/// The bytes of a move.
const DATA: [u8; 16] = *b"sixteen bytes ok";
/// Element of the moves: the second bit of the mask.
const ELEMENT: u8 = 1;

/// Everything that a move changes in the owner's memory.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    data: Vec<u8>,
    summary: u8,
    /// DMB bits of the first eight indexes.
    bits: u8,
    /// Element masks of the first two indexes.
    masks: [u64; 2],
    interrupts: u64,
}

impl Seen {
    /// The changes of a complete move.
    fn whole() -> Self {
        Self {
            data: DATA.to_vec(),
            summary: 0x80,
            bits: 0x80,
            masks: [0x4000, 0],
            interrupts: 1,
        }
    }

    fn nothing() -> Self {
        Self {
            data: vec![0; DATA.len()],
            summary: 0,
            bits: 0,
            masks: [0, 0],
            interrupts: 0,
        }
    }
}

/// Returns the present state, and clears the memory for the next move.
fn take(owner: &mut Driver) -> Seen {
    let ram = &owner.ram;
    let mask = SBA + 256 + 2 * u64::from(FIRST_INDEX);
    let seen = Seen {
        data: ram.read(DMB, DATA.len()),
        summary: ram.read(SBA, 1)[0],
        bits: ram.read(SBA + 8, 1)[0],
        masks: [ram.be(mask, 2), ram.be(mask + 2, 2)],
        interrupts: owner.irq.take(),
    };
    ram.write(DMB, &[0; DATA.len()]);
    ram.write(SBA, &[0; 4096]);
    seen
}

/// Makes one move with the signal flag.
fn put(pair: &mut Pair) -> Message {
    let at = target(pair.token, ELEMENT, true, 0);
    pair.writer.put(at, &DATA)
}

/// Returns the effect of one move with this fault, and checks one move without it.
#[track_caller]
fn with(action: &Value) -> Seen {
    let mut pair = Pair::new();
    let name = action.as_str().map_or_else(
        || action.as_object().unwrap().keys().next().unwrap().clone(),
        str::to_owned,
    );
    pair.control
        .set(&json!({ "id": "it", "do": action, "limit": 1 }));
    put(&mut pair).ok();
    let seen = take(&mut pair.owner);
    put(&mut pair).ok();
    assert_eq!(take(&mut pair.owner), Seen::whole(), "after the fault");
    assert_ne!(seen, Seen::whole());
    let stopped = pair.stop();
    assert_eq!(recorded(&stopped), [("it".to_owned(), name)]);
    assert_eq!(stopped.report["violations"], 0, "{}", stopped.report);
    seen
}

#[test]
fn a_move_is_refused() {
    for (name, errno) in [
        ("EIO", EIO),
        ("EFAULT", EFAULT),
        ("ENODEV", ENODEV),
        ("EINVAL", EINVAL),
    ] {
        let mut pair = Pair::new();
        pair.control
            .set(&json!({ "id": "it", "do": { "refuse-move": { "errno": name } }, "limit": 1 }));
        put(&mut pair).refused(errno);
        assert_eq!(take(&mut pair.owner), Seen::nothing());
        put(&mut pair).ok();
        assert_eq!(take(&mut pair.owner), Seen::whole());
    }
}

#[test]
fn a_move_is_lost_without_a_word() {
    assert_eq!(with(&json!("lose-move")), Seen::nothing());
}

#[test]
fn a_move_is_lost_with_an_error() {
    let mut pair =
        Pair::with(&[json!({ "id": "it", "do": { "lose-move": { "error": true } }, "limit": 1 })]);
    put(&mut pair).refused(EIO);
    assert_eq!(take(&mut pair.owner), Seen::nothing());
    put(&mut pair).ok();
    assert_eq!(take(&mut pair.owner), Seen::whole());
}

#[test]
fn a_move_is_delayed_and_overtaken() {
    let mut pair =
        Pair::with(&[json!({ "id": "it", "do": { "delay-move": { "ms": 200 } }, "limit": 1 })]);
    put(&mut pair).ok();
    let at = target(pair.token, ELEMENT, true, 0x100);
    pair.writer.put(at, &DATA).ok();
    assert_eq!(pair.owner.ram.read(DMB + 0x100, DATA.len()), DATA);
    eventually("the move arrives", || {
        (pair.owner.ram.read(DMB, DATA.len()) == DATA).then_some(())
    });
    // Both set the same bits, but each has its interrupt.
    let mut interrupts = 0;
    eventually("both interrupts come", || {
        interrupts += pair.owner.irq.take();
        (interrupts == 2).then_some(())
    });
}

#[test]
fn a_delayed_move_does_not_arrive_before_its_time() {
    let mut pair = Pair::with(&[json!({ "id": "it", "do": { "delay-move": { "ms": 600_000 } } })]);
    put(&mut pair).ok();
    pair.writer.gid();
    assert_eq!(take(&mut pair.owner), Seen::nothing());
}

#[test]
fn a_delayed_move_into_a_buffer_that_is_gone_does_not_arrive() {
    let mut pair =
        Pair::with(&[json!({ "id": "it", "do": { "delay-move": { "ms": 500 } }, "limit": 2 })]);
    put(&mut pair).ok();
    pair.wait_for("it");
    let token = vfio_user_ism_tests::Bytes::new().be64(pair.token);
    pair.owner
        .run(vfio_user_ism_tests::driver::code::UNREG_DMB, token)
        .ok();
    // A second move, into another buffer, shows when the first one was due.
    let other = pair
        .owner
        .register_dmb(0x1000, FIRST_INDEX + 1, crate::setup::GIDS[0]);
    pair.owner.ram.write(DMB, &[0; 64]);
    pair.writer.put(target(other, 0, true, 0x20), &DATA).ok();
    // An interrupt does not tell: on a slow machine the first move arrives while its buffer is there.
    eventually("the second move arrives", || {
        (pair.owner.ram.read(DMB + 0x20, 16) == DATA).then_some(())
    });
    assert_eq!(pair.owner.ram.read(DMB, 16), [0; 16]);
}

#[test]
fn bytes_come_after_their_signal() {
    let mut pair =
        Pair::with(&[json!({ "id": "it", "do": { "late-data": { "ms": 600_000 } }, "limit": 1 })]);
    put(&mut pair).ok();
    let signal_alone = Seen {
        data: vec![0; DATA.len()],
        ..Seen::whole()
    };
    assert_eq!(take(&mut pair.owner), signal_alone);
    let mut pair =
        Pair::with(&[json!({ "id": "it", "do": { "late-data": { "ms": 50 } }, "limit": 1 })]);
    put(&mut pair).ok();
    pair.owner.irq.wait();
    eventually("the bytes arrive", || {
        (pair.owner.ram.read(DMB, DATA.len()) == DATA).then_some(())
    });
    assert_eq!(
        pair.owner.irq.take(),
        0,
        "the bytes bring no signal of their own"
    );
}

#[test]
fn bytes_come_straight_after_their_signal() {
    let mut pair = Pair::with(&[json!({ "id": "it", "do": "late-data" })]);
    put(&mut pair).ok();
    assert_eq!(take(&mut pair.owner), Seen::whole());
    let stopped = pair.stop();
    // The interrupt stands before its move.
    let order: Vec<&str> = stopped
        .events
        .iter()
        .filter_map(|event| event["event"].as_str())
        .filter(|name| ["interrupt", "data-move", "fault"].contains(name))
        .collect();
    // A departure, with its event, may follow.
    assert_eq!(order[..4], ["fault", "interrupt", "data-move", "data-move"]);
    let lengths: Vec<_> = stopped
        .events_named("data-move")
        .map(|event| event["length"].clone())
        .collect();
    assert_eq!(lengths, [0, 16]);
}

#[test]
fn a_signal_comes_without_bytes() {
    let seen = with(&json!("lose-data"));
    assert_eq!(
        seen,
        Seen {
            data: vec![0; DATA.len()],
            ..Seen::whole()
        }
    );
}

#[test]
fn only_the_first_bytes_arrive() {
    let seen = with(&json!({ "cut-data": { "length": 5 } }));
    let mut data = vec![0; DATA.len()];
    data[..5].copy_from_slice(&DATA[..5]);
    assert_eq!(
        seen,
        Seen {
            data,
            ..Seen::whole()
        }
    );
}

#[test]
fn a_bit_of_the_mask_is_lost() {
    assert_eq!(
        with(&json!("lose-mask-bit")),
        Seen {
            masks: [0, 0],
            ..Seen::whole()
        }
    );
}

#[test]
fn the_dmb_bit_is_lost() {
    assert_eq!(
        with(&json!("lose-dmb-bit")),
        Seen {
            bits: 0,
            ..Seen::whole()
        }
    );
}

#[test]
fn the_summary_bit_is_lost() {
    assert_eq!(
        with(&json!("lose-summary-bit")),
        Seen {
            summary: 0,
            ..Seen::whole()
        }
    );
}

#[test]
fn the_bits_of_another_dmb_are_set() {
    let other = Seen {
        bits: 0x40,
        masks: [0, 0x4000],
        ..Seen::whole()
    };
    assert_eq!(with(&json!("wrong-dmb-bit")), other);
    let far = Seen {
        bits: 0,
        masks: [0, 0],
        ..Seen::whole()
    };
    assert_eq!(with(&json!({ "wrong-dmb-bit": { "index": 1919 } })), far);
    let mut pair =
        Pair::with(&[json!({ "id": "it", "do": { "wrong-dmb-bit": { "index": 1919 } } })]);
    put(&mut pair).ok();
    assert_eq!(pair.owner.ram.read(SBA + 243, 1), [0x01]);
    assert_eq!(pair.owner.ram.be(SBA + 4094, 2), 0x4000);
}

#[test]
fn a_signal_comes_again() {
    assert_eq!(
        with(&json!("repeat-signal")),
        Seen {
            interrupts: 2,
            ..Seen::whole()
        }
    );
    let seen = with(&json!({ "repeat-signal": { "times": 9 } }));
    assert_eq!(
        seen,
        Seen {
            interrupts: 10,
            ..Seen::whole()
        }
    );
}

#[test]
fn a_fault_is_for_moves_of_one_kind() {
    let hits = |on: Value| {
        let mut pair = Pair::new();
        let mut on = on;
        if on["token"] == "own" {
            on["token"] = format!("{:#x}", pair.token).into();
        }
        pair.control
            .set(&json!({ "id": "it", "on": on, "do": "refuse-move" }));
        let (token, signal) = (pair.token, [true, false]);
        signal.map(|signal| {
            pair.writer
                .put(target(token, 0, signal, 0), &DATA)
                .errno()
                .is_some()
        })
    };
    assert_eq!(hits(json!({})), [true, true]);
    assert_eq!(hits(json!({ "signal": true })), [true, false]);
    assert_eq!(hits(json!({ "signal": false })), [false, true]);
    assert_eq!(hits(json!({ "function": "ism0" })), [true, true]);
    assert_eq!(hits(json!({ "function": "ism1" })), [false, false]);
    assert_eq!(hits(json!({ "peer": "ism1" })), [true, true]);
    assert_eq!(hits(json!({ "peer": "ism0" })), [false, false]);
    assert_eq!(hits(json!({ "index": FIRST_INDEX })), [true, true]);
    assert_eq!(hits(json!({ "index": FIRST_INDEX + 1 })), [false, false]);
    assert_eq!(
        hits(json!({ "token": "own", "signal": true })),
        [true, false]
    );
    assert_eq!(hits(json!({ "token": "0x100000000" })), [false, false]);
}
