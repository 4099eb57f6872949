//! Tests of the rules about data moves and SMC-D through the device.

use zpci_region::{Rule, Severity};

use crate::driver::{GIDS, Machine, request, target};
use crate::rules::{NOTHING, last_store_breaks, pair};

/// Signal flag of an offset in the data BAR.
const SIGNAL: u64 = 1 << 23;

#[test]
fn data_after_signal() {
    let piece = vec![0; 8];
    let cut = [(0, SIGNAL, piece.clone()), (0, SIGNAL | 8, piece.clone())];
    last_store_breaks(Rule::DataAfterSignal, &cut);
    let below = [(0, SIGNAL | 64, piece.clone()), (0, 56, piece)];
    last_store_breaks(Rule::DataAfterSignal, &below);
}

#[test]
fn a_reused_token_is_a_new_dmb() {
    let mut machine = Machine::with(1, |config| {
        config.data_bar_size = 1 << 33;
        config.rules.set(Rule::CdcDataAfterAbort, Severity::Warn);
    });
    machine.probe(0);
    let mut aborted = [0; 32];
    (aborted[0], aborted[23]) = (0xfe, 0x20);
    let first = machine.reg_dmb(0, 32, 4096, GIDS[0]);
    machine
        .store(0, 0, target(first, 0, true, 0), &aborted)
        .unwrap();
    machine.done(0, &request(0x0b, &[&first.to_be_bytes()]));
    assert_eq!(machine.reg_dmb(0, 32, 4096, GIDS[0]), first);
    machine
        .store(0, 0, target(first, 0, true, 32), &[0; 32])
        .unwrap();
    machine
        .store(0, 0, target(first, 0, false, 100), &[0; 32])
        .unwrap();
    assert_eq!(machine.broken(), NOTHING);
}

#[test]
fn descending_pieces() {
    last_store_breaks(
        Rule::DescendingPieces,
        &[(0, 4096, vec![0; 100]), (0, 4000, vec![0; 96])],
    );
}

#[test]
fn a_move_that_begins_again_after_a_refused_piece_is_not_descending() {
    let (mut machine, token) = pair(Rule::DescendingPieces, Severity::Reject);
    let store = |machine: &mut Machine, offset| {
        machine.store(0, 0, target(token, 0, false, offset), &[0; 96])
    };
    store(&mut machine, 4000).unwrap();
    machine.guests.holes.push((1, 0..u64::MAX));
    store(&mut machine, 4096).unwrap_err();
    store(&mut machine, 4000 - 96).unwrap_err();
    machine.guests.holes.clear();
    store(&mut machine, 4000 - 96).unwrap();
    store(&mut machine, 4000).unwrap();
    assert_eq!(machine.broken(), NOTHING);
}

#[test]
fn element_index_too_high() {
    last_store_breaks(Rule::ElementIndexTooHigh, &[(0, 16 << 24, vec![0; 16])]);
}

#[test]
fn move_crosses_page() {
    let (mut machine, token) = pair(Rule::Crosses4k, Severity::Off);
    machine
        .store(0, 0, target(token, 0, false, 4000), &[0; 96])
        .unwrap();
    assert_eq!(machine.seen.rules(), NOTHING);
    machine
        .store(0, 0, target(token, 0, false, 4000), &[0; 97])
        .unwrap();
    assert_eq!(machine.seen.rules(), ["move-crosses-page"]);
}

#[test]
fn signal_without_sba_under_reject_writes_nothing() {
    let (mut machine, token) = pair(Rule::SignalWithoutSba, Severity::Reject);
    machine.done(1, &request(0x11, &[]));
    machine.guests.take();
    let refusal = machine
        .store(0, 0, target(token, 0, true, 0), &[1])
        .unwrap_err();
    assert_eq!(refusal.rule, Some(Rule::SignalWithoutSba));
    assert!(machine.guests.log.is_empty());
}

#[test]
fn smcd_rules_under_reject_keep_the_sender_s_state() {
    let (mut machine, token) = pair(Rule::CdcNotAMessage, Severity::Reject);
    let refusal = machine
        .store(0, 0, target(token, 0, true, 0), &[1; 32])
        .unwrap_err();
    assert_eq!(refusal.rule, Some(Rule::CdcNotAMessage));
    assert!(machine.guests.log.is_empty());
    assert_eq!(machine.info(0).totals.moves, 0);
}

/// Builds a CDC message with these producer and consumer counts, both in their first round.
fn cdc(producer: u32, consumer: u32) -> [u8; 32] {
    let mut message = [0; 32];
    message[0] = 0xfe;
    message[10..14].copy_from_slice(&producer.to_be_bytes());
    message[18..22].copy_from_slice(&consumer.to_be_bytes());
    message
}

#[test]
fn smcd_cursors_are_held_against_the_other_direction() {
    for other_watched in [true, false] {
        let smcd = [Rule::CdcConsumerAhead, Rule::CdcConsumerOutside];
        let mut machine = Machine::with(2, |config| {
            let watched = config.gid == GIDS[0] || other_watched;
            for rule in smcd.into_iter().filter(|_| watched) {
                config.rules.set(rule, Severity::Warn);
            }
        });
        machine.probe(0);
        machine.probe(1);
        let to_1 = machine.reg_dmb(1, 40, 16384, GIDS[0]);
        let to_0 = machine.reg_dmb(0, 41, 4096, GIDS[1]);
        // This DMB belongs to the other direction: 1 may not write it.
        machine.reg_dmb(0, 42, 65536, GIDS[2]);
        let data = target(to_0, 0, false, 32);
        machine.store(1, 0, data, &[1; 100]).unwrap();
        let message = target(to_0, 0, true, 0);
        machine.store(1, 0, message, &cdc(100, 0)).unwrap();
        assert_eq!(machine.broken(), NOTHING);
        let answer = target(to_1, 0, true, 0);
        machine.store(0, 0, answer, &cdc(0, 100)).unwrap();
        assert_eq!(machine.broken(), NOTHING);
        machine.store(0, 0, answer, &cdc(0, 101)).unwrap();
        let told: &[&str] = match other_watched {
            true => &["cdc-consumer-ahead"],
            false => &[],
        };
        assert_eq!(machine.broken(), told);
        machine.store(0, 0, answer, &cdc(0, 4096 - 32)).unwrap();
        assert_eq!(machine.broken(), ["cdc-consumer-outside"]);
    }
}

#[test]
fn the_smcd_group_is_off_by_default() {
    let mut machine = Machine::new(1);
    machine.probe(0);
    let token = machine.reg_dmb(0, 32, 4096, GIDS[0]);
    machine
        .store(0, 0, target(token, 0, true, 100), &[1; 32])
        .unwrap();
    assert_eq!(machine.broken(), NOTHING);
}
