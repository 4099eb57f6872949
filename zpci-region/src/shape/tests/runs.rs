//! Tests of runs of pieces, and of accesses that only resemble a run.

use super::{Bench, COMMAND, DATA, MSIX, config};
use crate::access::{Failure, Path};
use crate::rule::{Rule, Severity};
use crate::shape::ShapeConfig;

const DMB: u64 = 0x0007_0000_0000;

/// Returns the runs reported after these stores (pcias, offset, length) and the end.
fn runs_of(config: ShapeConfig, stores: &[(u8, u64, usize)]) -> Vec<(u64, usize, usize, usize)> {
    let mut bench = Bench::new(config);
    for (pcias, offset, len) in stores {
        bench.store(Path::Bar, *pcias, *offset, *len).unwrap();
    }
    bench.settle();
    bench.runs()
}

#[test]
fn a_cut_store_is_one_violation_at_its_end() {
    for path in [Path::Region, Path::Bar, Path::BarMulti] {
        let mut bench = Bench::new(config());
        for piece in 0..16 {
            bench.store(path, DATA, DMB + piece * 8, 8).unwrap();
            assert!(bench.checker.has_open_run());
            assert!(bench.runs().is_empty(), "reported before its end");
        }
        bench.settle();
        assert!(!bench.checker.has_open_run());
        assert_eq!(bench.runs(), [(DMB, 128, 16, 8)]);
        let violation = &bench.seen.0[0];
        assert_eq!(violation.path, path);
        assert_eq!(
            violation.detail,
            "128 bytes at offset 0x700000000 of BAR 0 arrived as 16 pieces of at most 8 bytes: expected one store"
        );
        bench.settle();
        assert_eq!(bench.seen.0.len(), 1, "reported twice");
    }
}

#[test]
fn pieces_of_every_size_count() {
    let stores = [
        (DATA, DMB + 1, 1),
        (DATA, DMB + 2, 2),
        (DATA, DMB + 4, 4),
        (DATA, DMB + 8, 8),
    ];
    assert_eq!(runs_of(config(), &stores), [(DMB + 1, 15, 4, 8)]);
    assert_eq!(
        runs_of(config(), &[(DATA, DMB, 8), (DATA, DMB + 8, 4)]),
        [(DMB, 12, 2, 8)]
    );
}

#[test]
fn the_first_eight_byte_store_alone_is_no_run() {
    assert_eq!(runs_of(config(), &[(COMMAND, 0, 8)]), []);
    assert_eq!(runs_of(config(), &[(DATA, DMB, 8)]), []);
}

/// Issues commands like the Linux driver: payload, header, loads of the response.
#[test]
fn the_drivers_commands_are_no_run() {
    let mut bench = Bench::new(config());
    for payload in [8, 16, 8, 32, 24, 0, 0] {
        if payload > 0 {
            bench.store(Path::Bar, COMMAND, 8, payload).unwrap();
        }
        bench.store(Path::Bar, COMMAND, 0, 8).unwrap();
        bench.load(Path::Bar, COMMAND, 0, 8).unwrap();
        bench.load(Path::Bar, COMMAND, 8, 8).unwrap();
    }
    bench.settle();
    assert_eq!(bench.seen.0, []);
}

/// Issues moves like the Linux driver: pieces end where pages do, and only the last one has the signal flag
/// (bit 23).
#[test]
fn the_drivers_moves_are_no_run() {
    let signal = 1 << 23;
    let cases: &[&[(u8, u64, usize)]] = &[
        &[(DATA, DMB + 4088, 8), (DATA, DMB + 4096, 8)],
        &[
            (DATA, DMB + 4092, 4),
            (DATA, DMB + 4096, 4096),
            (DATA, DMB + 8192, 8),
        ],
        &[(DATA, DMB + 32, 12), (DATA, DMB + 44, 20)],
        &[(DATA, DMB + 32, 8), (DATA, DMB + 40 + signal, 8)],
        &[
            (DATA, DMB + 32, 8),
            (DATA, DMB + signal, 32),
            (DATA, DMB + 40, 8),
        ],
        &[
            (DATA, DMB + 32, 8),
            (DATA, DMB + 40, 16),
            (DATA, DMB + 56, 8),
        ],
        &[
            (DATA, DMB + 32, 8),
            (DATA, DMB + 40, 3),
            (DATA, DMB + 43, 5),
        ],
    ];
    for stores in cases {
        assert_eq!(runs_of(config(), stores), [], "{stores:x?}");
    }
}

#[test]
fn gaps_overlaps_descents_and_other_bars_are_no_run() {
    let cases: &[&[(u8, u64, usize)]] = &[
        &[(DATA, DMB, 8), (DATA, DMB + 16, 8)],
        &[(DATA, DMB, 8), (DATA, DMB + 4, 8)],
        &[(DATA, DMB, 8), (DATA, DMB, 8)],
        &[(DATA, DMB + 8, 8), (DATA, DMB, 8)],
        &[(DATA, 0, 8), (COMMAND, 8, 8)],
        &[(MSIX, 0, 4), (MSIX, 4, 4), (MSIX, 8, 4)],
        &[(DATA, DMB, 8), (MSIX, 0, 4), (DATA, DMB + 8, 8)],
    ];
    for stores in cases {
        assert_eq!(runs_of(config(), stores), [], "{stores:x?}");
    }
}

#[test]
fn two_ways_of_storing_are_no_run_but_queued_bar_writes_are() {
    let mut bench = Bench::new(config());
    bench.store(Path::Bar, DATA, DMB, 8).unwrap();
    bench.store(Path::Region, DATA, DMB + 8, 8).unwrap();
    bench.settle();
    assert!(bench.runs().is_empty());
    bench.store(Path::Bar, DATA, DMB, 8).unwrap();
    bench.store(Path::BarMulti, DATA, DMB + 8, 8).unwrap();
    bench.settle();
    assert_eq!(bench.runs(), [(DMB, 16, 2, 8)]);
}

#[test]
fn a_load_ends_a_run() {
    let mut bench = Bench::new(config());
    bench.store(Path::Bar, DATA, DMB, 8).unwrap();
    bench.store(Path::Bar, DATA, DMB + 8, 8).unwrap();
    bench.load(Path::Bar, COMMAND, 0, 8).unwrap();
    assert_eq!(bench.runs(), [(DMB, 16, 2, 8)]);
    bench.store(Path::Bar, DATA, DMB + 16, 8).unwrap();
    bench.settle();
    assert_eq!(bench.runs().len(), 1, "the load stood between");
}

#[test]
fn a_store_elsewhere_ends_a_run_and_its_report_comes_first() {
    let mut bench = Bench::new(config());
    bench.store(Path::Bar, COMMAND, 8, 8).unwrap();
    bench.store(Path::Bar, COMMAND, 16, 8).unwrap();
    bench.store(Path::Bar, COMMAND, 0, 4).unwrap();
    assert_eq!(bench.rules(), [Rule::SplitBlockStore, Rule::PlainStore]);
}

#[test]
fn refused_accesses_end_a_run() {
    for (pcias, offset, len) in [(5, 0, 8), (DATA, DMB + 16, 0), (COMMAND, 4096, 8)] {
        let mut bench = Bench::new(config());
        bench.store(Path::Bar, DATA, DMB, 8).unwrap();
        bench.store(Path::Bar, DATA, DMB + 8, 8).unwrap();
        bench.store(Path::Bar, pcias, offset, len).unwrap_err();
        assert_eq!(bench.runs(), [(DMB, 16, 2, 8)]);
    }
}

#[test]
fn the_end_of_a_page_ends_a_run_and_starts_another() {
    let stores: Vec<_> = (0..8).map(|n| (DATA, DMB + 4096 - 32 + n * 8, 8)).collect();
    assert_eq!(
        runs_of(config(), &stores),
        [(DMB + 4064, 32, 4, 8), (DMB + 4096, 32, 4, 8)]
    );
}

#[test]
fn the_maximum_ends_a_run_and_starts_another() {
    let config = ShapeConfig {
        maxstbl: 128,
        ..config()
    };
    let stores: Vec<_> = (0..18).map(|n| (DATA, DMB + n * 8, 8)).collect();
    assert_eq!(
        runs_of(config, &stores),
        [(DMB, 128, 16, 8), (DMB + 128, 16, 2, 8)]
    );
}

#[test]
fn under_reject_the_second_piece_and_later_ones_have_no_effect() {
    let mut bench = Bench::with(Rule::SplitBlockStore, Severity::Reject, config());
    bench.store(Path::Bar, DATA, DMB, 8).unwrap();
    for piece in 1..4 {
        let refusal = bench
            .store(Path::Bar, DATA, DMB + piece * 8, 8)
            .unwrap_err();
        assert_eq!(
            (refusal.failure, refusal.rule),
            (Failure::Io, Some(Rule::SplitBlockStore))
        );
    }
    bench.store(Path::Bar, DATA, DMB + 64, 8).unwrap();
    assert_eq!(bench.runs(), [(DMB, 32, 4, 8)]);
    assert_eq!(bench.seen.0[0].severity, Severity::Reject);
}

#[test]
fn a_rule_that_is_off_opens_no_run() {
    let mut bench = Bench::with(Rule::SplitBlockStore, Severity::Off, config());
    bench.store(Path::Bar, DATA, DMB, 8).unwrap();
    bench.store(Path::Bar, DATA, DMB + 8, 8).unwrap();
    assert!(!bench.checker.has_open_run());
    bench.settle();
    assert_eq!(bench.seen.0, []);
}

#[test]
fn through_the_region_a_run_is_a_note_at_most() {
    for (set, told) in [
        (Severity::Reject, Severity::Note),
        (Severity::Warn, Severity::Note),
        (Severity::Note, Severity::Note),
    ] {
        let mut bench = Bench::with(Rule::SplitBlockStore, set, config());
        bench.store(Path::Region, DATA, DMB, 8).unwrap();
        bench.store(Path::Region, DATA, DMB + 8, 8).unwrap();
        bench.settle();
        assert_eq!(bench.runs(), [(DMB, 16, 2, 8)]);
        assert_eq!(bench.seen.0[0].severity, told);
    }
}
