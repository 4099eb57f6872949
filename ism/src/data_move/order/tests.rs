use super::*;
use crate::judged::broken;

const TOKEN: u64 = 5 << 32;

fn piece(range: std::ops::Range<u64>, signal: bool) -> Piece {
    Piece {
        token: TOKEN,
        start: range.start,
        end: range.end,
        signal,
    }
}

/// Returns the rules that each store of a sequence breaks; `true` is the signal flag.
fn judged(stores: &[(std::ops::Range<u64>, bool)]) -> Vec<Vec<&'static str>> {
    let mut order = MoveOrder::default();
    stores
        .iter()
        .map(|(range, signal)| {
            let piece = piece(range.clone(), *signal);
            let rules = broken(|judgement| order.judge(piece, judgement));
            order.note(piece);
            rules
        })
        .collect()
}

const QUIET: [&str; 0] = [];
const LATE: [&str; 1] = ["data-after-signal"];
const DOWN: [&str; 1] = ["descending-pieces"];

#[test]
fn the_sequence_of_smcd_breaks_nothing() {
    let message = || (0..32, true);
    let stores = [
        (32..4096, false),
        (4096..5000, false),
        message(),
        message(),
        (5000..8192, false),
        (32..100, false),
        message(),
        (100..132, false),
        message(),
        (32..64, false),
        message(),
    ];
    for (at, rules) in judged(&stores).into_iter().enumerate() {
        assert_eq!(rules, QUIET, "store {at}");
    }
}

#[test]
fn a_signal_store_cut_into_four_is_late_three_times() {
    let stores = [
        (0..8, true),
        (8..16, true),
        (16..24, true),
        (24..32, true),
        (32..40, false),
    ];
    let rules = judged(&stores);
    assert_eq!(rules[0], QUIET);
    assert_eq!(rules[1..4], [LATE, LATE, LATE]);
    assert_eq!(rules[4], QUIET, "the ring of SMC-D begins at 32");
}

#[test]
fn a_piece_beside_the_signalled_bytes_is_late_whether_above_or_below() {
    assert_eq!(judged(&[(64..128, true), (128..256, false)])[1], LATE);
    assert_eq!(judged(&[(64..128, true), (0..64, false)])[1], LATE);
    assert_eq!(judged(&[(0..32, true), (32..64, true)])[1], LATE);
    let row = judged(&[(0..8, true), (8..16, false), (16..24, false)]);
    assert_eq!(row[1..], [LATE, LATE]);
}

#[test]
fn a_store_that_does_not_adjoin_starts_a_move_of_its_own() {
    assert_eq!(judged(&[(64..128, true), (129..256, false)])[1], QUIET);
    assert_eq!(judged(&[(64..128, true), (0..63, false)])[1], QUIET);
    assert_eq!(judged(&[(64..128, true), (64..128, true)])[1], QUIET);
    assert_eq!(
        judged(&[(64..128, true), (500..600, false), (128..140, false)])[2],
        QUIET
    );
}

#[test]
fn pieces_from_high_to_low_are_descending() {
    assert_eq!(judged(&[(4096..5000, false), (64..4096, false)])[1], DOWN);
    assert_eq!(judged(&[(4096..5000, false), (64..4096, true)])[1], DOWN);
}

#[test]
fn ascending_pieces_gaps_and_a_message_below_its_data_are_not_descending() {
    assert_eq!(judged(&[(64..4096, false), (4096..5000, false)])[1], QUIET);
    assert_eq!(judged(&[(4096..5000, false), (64..4095, false)])[1], QUIET);
    assert_eq!(judged(&[(32..64, false), (0..32, true)])[1], QUIET);
}

#[test]
fn a_forgotten_dmb_is_a_new_one() {
    let mut order = MoveOrder::default();
    order.note(piece(0..8, true));
    order.forget(TOKEN);
    assert_eq!(
        broken(|judgement| order.judge(piece(8..16, true), judgement)),
        QUIET
    );
}
