//! Tests of the event queue: entries, index, order of delivery, and who receives which event.

use ism::FunctionId;

use crate::driver::{GIDS, IEQ, Machine, SBA, request, signal_ieq};
use crate::guests::Op;

/// Builds an entry as the receiver finds it.
fn entry(kind: u32, code: u32, token: u64, time: u64, info: u64) -> Vec<u8> {
    let mut entry = kind.to_be_bytes().to_vec();
    entry.extend(code.to_be_bytes());
    entry.extend(token.to_be_bytes());
    entry.extend(time.to_be_bytes());
    entry.extend(info.to_be_bytes());
    entry
}

fn index(n: u64) -> Vec<u8> {
    n.to_be_bytes().to_vec()
}

#[test]
fn an_event_is_entry_then_index_then_event_bit_then_summary_then_interrupt() {
    let mut machine = Machine::new(2);
    machine.probe(1);
    machine.done(0, &signal_ieq(GIDS[1], 1, 0x83, 0x0102_0304_0506_0708));
    assert_eq!(
        machine.guests.take(),
        [
            Op::Write(
                1,
                IEQ + 32,
                entry(2, 0x83, GIDS[0], 1, 0x0102_0304_0506_0708)
            ),
            Op::Write(1, IEQ, index(1)),
            Op::Bits(1, SBA, 0x40),
            Op::Bits(1, SBA, 0x80),
            Op::Interrupt(1),
        ]
    );
}

#[test]
fn without_a_trigger_there_is_everything_but_the_interrupt() {
    let mut machine = Machine::new(2);
    machine.probe(1);
    machine.done(0, &signal_ieq(GIDS[1], 0, 1, 2));
    assert_eq!(machine.guests.take().last(), Some(&Op::Bits(1, SBA, 0x80)));
}

#[test]
fn a_function_may_signal_itself() {
    let mut machine = Machine::new(1);
    machine.probe(0);
    machine.done(0, &signal_ieq(GIDS[0], 1, 1, 2));
    assert_eq!(machine.guests.take().last(), Some(&Op::Interrupt(0)));
}

#[test]
fn the_index_runs_to_15_and_then_to_1() {
    let mut machine = Machine::new(2);
    machine.probe(1);
    let mut driver = -1_i64;
    for n in 0..40_u64 {
        machine.done(0, &signal_ieq(GIDS[1], 1, 1, n));
        let log = machine.guests.take();
        let expected = n % 15 + 1;
        assert_eq!(log[1], Op::Write(1, IEQ, index(expected)));
        let Op::Write(_, at, bytes) = &log[0] else {
            panic!("{log:?}")
        };
        assert_eq!(bytes[24..], n.to_be_bytes());
        // The loop of the Linux driver must end after this one entry.
        let mut handled = Vec::new();
        while driver + 1 != i64::try_from(expected).unwrap() {
            driver += 1;
            if driver == 15 {
                driver = 0;
            }
            handled.push(driver);
            assert!(handled.len() < 20, "the driver never ends");
        }
        assert_eq!(handled, [i64::try_from((at - IEQ - 32) / 32).unwrap()]);
    }
}

#[test]
fn a_queue_registered_again_starts_at_its_first_slot() {
    let mut machine = Machine::new(2);
    machine.probe(1);
    machine.done(0, &signal_ieq(GIDS[1], 1, 1, 0));
    machine.done(1, &request(0x12, &[]));
    machine.done(
        1,
        &request(2, &[&IEQ.to_be_bytes(), &512_u64.to_be_bytes()]),
    );
    machine.guests.take();
    machine.done(0, &signal_ieq(GIDS[1], 1, 1, 0));
    assert_eq!(machine.guests.take()[1], Op::Write(1, IEQ, index(1)));
}

#[test]
fn the_observer_is_told_of_delivery_and_of_failure() {
    let mut machine = Machine::new(2);
    machine.command(0, &signal_ieq(GIDS[1], 1, 9, 7));
    machine.probe(1);
    machine.command(0, &signal_ieq(GIDS[1], 1, 9, 7));
    let told: Vec<_> = machine
        .seen
        .events
        .iter()
        .map(|event| event.delivered)
        .collect();
    assert_eq!(told, [false, true]);
    let event = machine.seen.events[1];
    assert_eq!((event.from, event.to), (FunctionId(0), FunctionId(1)));
    assert_eq!(
        (event.event_type, event.code, event.token, event.info),
        (2, 9, GIDS[0], 7)
    );
}
