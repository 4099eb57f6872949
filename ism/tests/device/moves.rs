//! Tests of data moves: destination, order, and moves that cannot be carried out.

use ism::FunctionId;
use zpci_region::{Failure, Path, Rule, Severity};

use crate::driver::{DMB, GIDS, Machine, SBA, request, target};
use crate::guests::Op;

/// Creates two probed functions, and a DMB of function 1 (index 40, 16 KiB) for function 0.
#[track_caller]
fn pair() -> (Machine, u64) {
    let mut machine = Machine::new(2);
    machine.probe(0);
    machine.probe(1);
    let token = machine.reg_dmb(1, 40, 16384, GIDS[0]);
    assert!(machine.broken().is_empty());
    (machine, token)
}

const AT: u64 = DMB + (40 << 20);

#[test]
fn a_store_without_the_flag_only_writes() {
    let (mut machine, token) = pair();
    machine
        .store(0, 0, target(token, 0, false, 100), b"hello")
        .unwrap();
    assert_eq!(
        machine.guests.take(),
        [Op::Write(1, AT + 100, b"hello".to_vec())]
    );
    assert_eq!(machine.seen.interrupts, 0);
}

#[test]
fn a_signal_is_data_then_mask_then_bit_then_summary_then_interrupt() {
    let (mut machine, token) = pair();
    machine
        .store(0, 0, target(token, 3, true, 0), &[7; 32])
        .unwrap();
    assert_eq!(
        machine.guests.take(),
        [
            Op::Write(1, AT, vec![7; 32]),
            Op::Mask(1, SBA + 256 + 80, 0x1000),
            Op::Bits(1, SBA + 4 + 5, 0x80),
            Op::Bits(1, SBA, 0x80),
            Op::Interrupt(1),
        ]
    );
    assert_eq!(machine.info(1).totals.interrupts, 1);
    let record = machine.seen.moves[0];
    assert_eq!(
        (record.function, record.owner),
        (FunctionId(0), FunctionId(1))
    );
    assert_eq!((record.token, record.offset, record.len), (token, 0, 32));
    assert!(record.signal && record.signalled);
    assert_eq!(record.element, 3);
}

#[test]
fn a_function_may_write_into_its_own_buffer() {
    let mut machine = Machine::new(1);
    machine.probe(0);
    let token = machine.reg_dmb(0, 32, 4096, GIDS[0]);
    machine
        .store(0, 0, target(token, 0, true, 0), &[1])
        .unwrap();
    assert_eq!(machine.guests.take().last(), Some(&Op::Interrupt(0)));
}

#[test]
fn the_last_byte_belongs_to_the_buffer_and_the_next_does_not() {
    let (mut machine, _) = pair();
    let token = machine.reg_dmb(1, 41, 5000, GIDS[0]);
    let mut store =
        |offset, data: &[u8]| machine.store(0, 0, target(token, 0, false, offset), data);
    store(4996, &[1; 4]).unwrap();
    for (offset, data) in [(4996, [1; 5].as_slice()), (5000, &[1])] {
        let refusal = store(offset, data).unwrap_err();
        assert_eq!(
            (refusal.failure, refusal.rule),
            (Failure::Io, Some(Rule::OutsideDmb))
        );
    }
    assert_eq!(machine.guests.take().len(), 1);
    assert_eq!(machine.broken(), ["outside-dmb", "outside-dmb"]);
}

#[test]
fn what_cannot_be_carried_out_fails_even_when_its_rule_is_off() {
    let rules = [Rule::UnknownDmb, Rule::OutsideDmb, Rule::NotPermittedByRgid];
    let mut machine = Machine::with_rules(2, &rules, Severity::Off);
    machine.probe(1);
    let token = machine.reg_dmb(1, 40, 4096, GIDS[0]);
    for (f, offset, rule) in [
        (0, target(token + (1 << 32), 0, true, 0), Rule::UnknownDmb),
        (0, target(0, 0, true, 0), Rule::UnknownDmb),
        (0, target(token, 0, true, 4096), Rule::OutsideDmb),
        (0, target(token, 0, true, 0x7f_fff8), Rule::OutsideDmb),
        (1, target(token, 0, true, 0), Rule::NotPermittedByRgid),
    ] {
        let refusal = machine.store(f, 0, offset, &[1; 8]).unwrap_err();
        assert_eq!((refusal.failure, refusal.rule), (Failure::Io, Some(rule)));
    }
    assert!(machine.guests.log.is_empty());
    assert!(machine.broken().is_empty());
    assert_eq!(machine.info(0).totals.moves, 0);
}

#[test]
fn nothing_is_stored_after_unreg_dmb() {
    let (mut machine, token) = pair();
    machine.done(1, &request(0x0b, &[&token.to_be_bytes()]));
    let refusal = machine
        .store(0, 0, target(token, 0, false, 0), &[1])
        .unwrap_err();
    assert_eq!(refusal.rule, Some(Rule::UnknownDmb));
}

#[test]
fn memory_that_is_gone_fails_the_move_whole() {
    for hole in [(1, AT + 31..AT + 32), (1, SBA..SBA + 4096)] {
        let (mut machine, token) = pair();
        machine.guests.holes.push(hole);
        let refusal = machine
            .store(0, 0, target(token, 0, true, 0), &[1; 32])
            .unwrap_err();
        assert_eq!((refusal.failure, refusal.rule), (Failure::Io, None));
        assert!(machine.guests.log.is_empty());
        assert!(machine.seen.moves.is_empty());
    }
}

#[test]
fn a_signal_without_an_sba_is_lost_and_told() {
    let (mut machine, token) = pair();
    machine.done(1, &request(0x11, &[]));
    machine.guests.take();
    machine
        .store(0, 0, target(token, 0, true, 0), &[1])
        .unwrap();
    assert_eq!(machine.guests.take(), [Op::Write(1, AT, vec![1])]);
    assert_eq!(machine.broken(), ["signal-without-sba"]);
    assert!(!machine.seen.moves[0].signalled);
    machine
        .store(0, 0, target(token, 0, false, 64), &[1])
        .unwrap();
    assert!(machine.broken().is_empty());
}

#[test]
fn elements_above_15_set_no_mask_bit() {
    let (mut machine, token) = pair();
    machine
        .store(0, 0, target(token, 15, true, 0), &[1])
        .unwrap();
    assert!(machine.broken().is_empty());
    machine
        .store(0, 0, target(token, 16, true, 0), &[1])
        .unwrap();
    assert_eq!(machine.broken(), ["element-index-too-high"]);
    let log = machine.guests.take().into_iter();
    let masks: Vec<u16> = log
        .filter_map(|op| match op {
            Op::Mask(_, _, mask) => Some(mask),
            _ => None,
        })
        .collect();
    assert_eq!(masks, [1, 0]);
}

#[test]
fn the_first_and_the_last_index_have_their_bits_inside_the_page() {
    let mut machine = Machine::new(1);
    machine.probe(0);
    for (index, bit, mask) in [(32, (8, 0x80), 320), (1919, (243, 0x01), 4094)] {
        let token = machine.reg_dmb(0, index, 4096, GIDS[0]);
        machine
            .store(0, 0, target(token, 0, true, 0), &[1])
            .unwrap();
        let log = machine.guests.take();
        assert_eq!(log[1], Op::Mask(0, SBA + mask, 0x8000));
        assert_eq!(log[2], Op::Bits(0, SBA + bit.0, bit.1));
    }
}

#[test]
fn a_store_outside_the_bar_is_refused() {
    let (mut machine, _) = pair();
    let refusal = machine.store(0, 0, 1 << 48, &[1; 8]).unwrap_err();
    assert_eq!(refusal.rule, Some(Rule::OutsideBar));
}

#[test]
fn an_access_of_no_bytes_to_a_bar_is_none() {
    let mut machine = Machine::new(1);
    machine.path = Path::Bar;
    machine.probe(0);
    machine.store(0, 2, 8, &[0; 8]).unwrap();
    for (pcias, offset) in [(0, 0), (0, u64::MAX), (2, 0), (2, 4096), (4, 16)] {
        machine.store(0, pcias, offset, &[]).unwrap();
        assert_eq!(machine.load(0, pcias, offset, 0).unwrap(), [0; 0]);
    }
    for pcias in [1, 3, 5] {
        let refusal = machine.store(0, pcias, 0, &[]).unwrap_err();
        assert_eq!(refusal.failure, Failure::Invalid);
        let refusal = machine.load(0, pcias, 0, 0).unwrap_err();
        assert_eq!(refusal.failure, Failure::Invalid);
    }
    assert_eq!(machine.broken(), [""; 0]);
    assert_eq!(machine.info(0).totals.moves, 0);
    // An instruction has at least one byte.
    machine.path = Path::Region;
    let refusal = machine.store(0, 0, 0, &[]).unwrap_err();
    assert_eq!(refusal.failure, Failure::Invalid);
}
