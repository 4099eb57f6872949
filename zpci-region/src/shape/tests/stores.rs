use super::{BOTH, Bench, COMMAND, DATA, MSIX, config, strict};
use crate::access::{Failure, Path};
use crate::rule::{Rule, Severity};
use crate::shape::{Contracts, ShapeConfig};

const TOKEN: u64 = 0x0001_0000_0000;

fn one(config: ShapeConfig, path: Path, pcias: u8, offset: u64, len: usize) -> Vec<Rule> {
    let mut bench = Bench::new(config);
    let _ = bench.store(path, pcias, offset, len);
    bench.settle();
    bench.rules()
}

fn one_from(config: ShapeConfig, len: usize, gaddr: u64) -> Vec<Rule> {
    let mut bench = Bench::new(config);
    let _ = bench.store_from(Path::Region, DATA, TOKEN, len, Some(gaddr));
    bench.rules()
}

#[test]
fn a_store_of_no_bytes_is_invalid_and_breaks_no_rule() {
    let mut bench = Bench::new(config());
    let refusal = bench.store(Path::Bar, DATA, TOKEN, 0).unwrap_err();
    assert_eq!((refusal.failure, refusal.rule), (Failure::Invalid, None));
    assert!(bench.rules().is_empty());
}

#[test]
fn length_over_max() {
    for path in [Path::Region, Path::Bar, Path::BarMulti] {
        assert_eq!(one(strict(), path, DATA, TOKEN, 136), [Rule::LengthOverMax]);
        assert_eq!(one(strict(), path, DATA, TOKEN, 128), []);
    }
    assert_eq!(one(config(), Path::Bar, DATA, TOKEN, 4096), []);
}

#[test]
fn length_over_max_fails_whatever_the_severity() {
    for severity in [
        Severity::Off,
        Severity::Note,
        Severity::Warn,
        Severity::Reject,
    ] {
        let mut bench = Bench::with(Rule::LengthOverMax, severity, config());
        let refusal = bench.store(Path::Bar, DATA, TOKEN, 4097).unwrap_err();
        assert_eq!(
            (refusal.failure, refusal.rule),
            (Failure::Io, Some(Rule::LengthOverMax))
        );
        let recorded = usize::from(severity != Severity::Off);
        assert_eq!(bench.rules().len(), recorded, "{severity:?}");
    }
}

#[test]
fn strict_length() {
    for len in [9, 12, 127] {
        assert_eq!(
            one(strict(), Path::Region, DATA, TOKEN, len),
            [Rule::StrictLength],
            "{len}"
        );
        assert_eq!(one(config(), Path::Region, DATA, TOKEN, len), [], "{len}");
    }
    // A command header has 8 bytes, which is the least that a strict function accepts.
    for len in [8, 16, 128] {
        assert_eq!(one(strict(), Path::Region, COMMAND, 0, len), [], "{len}");
    }
}

#[test]
fn strict_alignment() {
    assert_eq!(
        one(strict(), Path::Region, DATA, TOKEN + 4, 16),
        [Rule::StrictAlignment]
    );
    assert_eq!(one(config(), Path::Region, DATA, TOKEN + 4, 16), []);
    assert_eq!(one(strict(), Path::Region, DATA, TOKEN + 8, 16), []);
    assert_eq!(
        one_from(strict(), 16, 0x1004),
        [Rule::StrictAlignment, Rule::GaddrMisaligned]
    );
    assert_eq!(one_from(strict(), 16, 0x1008), []);
}

#[test]
fn crosses_4k() {
    for path in [Path::Region, Path::Bar, Path::BarMulti] {
        assert_eq!(
            one(config(), path, DATA, TOKEN + 4090, 7),
            [Rule::Crosses4k]
        );
        assert_eq!(one(config(), path, DATA, TOKEN + 4090, 6), []);
        assert_eq!(
            one(config(), path, DATA, TOKEN + 1, 4096),
            [Rule::Crosses4k]
        );
        assert_eq!(one(config(), path, DATA, TOKEN, 4096), []);
    }
}

#[test]
fn outside_bar() {
    let cases = [
        (COMMAND, 4089, 8, false),
        (COMMAND, 4088, 8, true),
        (DATA, (1 << 48) - 15, 16, false),
        (DATA, (1 << 48) - 16, 16, true),
        (DATA, u64::MAX - 3, 8, false),
        (DATA, u64::MAX, 1, false),
        (1, 0, 8, false),
        (6, 0, 8, false),
        (255, 0, 8, false),
        (MSIX, 4092, 8, false),
        (MSIX, 4092, 4, true),
    ];
    for (pcias, offset, len, inside) in cases {
        let expected: &[Rule] = if inside { &[] } else { &[Rule::OutsideBar] };
        assert_eq!(
            one(config(), Path::Region, pcias, offset, len),
            expected,
            "{pcias} {offset:#x}"
        );
    }
}

#[test]
fn outside_bar_fails_whatever_the_severity_with_the_errno_of_its_path() {
    for severity in [Severity::Off, Severity::Note, Severity::Reject] {
        let mut bench = Bench::with(Rule::OutsideBar, severity, config());
        let region = bench.store(Path::Region, 3, 0, 8).unwrap_err();
        assert_eq!(
            (region.failure, region.rule),
            (Failure::Io, Some(Rule::OutsideBar))
        );
        let bar = bench.store(Path::Bar, COMMAND, 4096, 8).unwrap_err();
        assert_eq!(
            (bar.failure, bar.rule),
            (Failure::Invalid, Some(Rule::OutsideBar))
        );
        assert!(bar.reason.contains("offset 0x1000 of BAR 2"), "{bar}");
        let recorded = if severity == Severity::Off { 0 } else { 2 };
        assert_eq!(bench.rules().len(), recorded);
    }
}

#[test]
fn a_bar_without_block_stores_is_only_checked_for_its_bounds() {
    let contracts = Contracts {
        region: true,
        bar: false,
    };
    for (offset, len) in [(0, 4), (3, 2), (0, 200)] {
        assert_eq!(
            one(
                ShapeConfig {
                    contracts,
                    ..strict()
                },
                Path::Bar,
                MSIX,
                offset,
                len
            ),
            []
        );
    }
}

#[test]
fn plain_store_to_the_command_space() {
    for path in [Path::Bar, Path::BarMulti] {
        for len in [1, 2, 4] {
            assert_eq!(
                one(config(), path, COMMAND, 8, len),
                [Rule::PlainStore],
                "{len}"
            );
        }
        for len in [3, 8, 16] {
            assert_eq!(one(config(), path, COMMAND, 8, len), [], "{len}");
        }
    }
    // The region names the instruction, a PCISTB.
    assert_eq!(one(config(), Path::Region, COMMAND, 8, 4), []);
}

#[test]
fn plain_store_to_the_data_space() {
    for len in [1, 2, 4] {
        // This is the tail of a move, as the variant driver stores it.
        assert_eq!(one(config(), Path::Bar, DATA, TOKEN, len), [], "{len}");
        let neither = ShapeConfig {
            contracts: Contracts::default(),
            ..config()
        };
        assert_eq!(
            one(neither.clone(), Path::Bar, DATA, TOKEN, len),
            [Rule::PlainStore]
        );
        assert_eq!(one(neither, Path::Region, DATA, TOKEN, len), []);
        let rules = one(strict(), Path::Bar, DATA, TOKEN, len);
        assert!(rules.contains(&Rule::PlainStore), "{rules:?}");
    }
    assert_eq!(one(strict(), Path::Bar, DATA, TOKEN, 8), []);
}

#[test]
fn not_legacy_path() {
    let with = |region, bar| ShapeConfig {
        contracts: Contracts { region, bar },
        ..config()
    };
    for pcias in [DATA, COMMAND] {
        for path in [Path::Bar, Path::BarMulti] {
            assert_eq!(
                one(with(true, false), path, pcias, 64, 8),
                [Rule::NotLegacyPath]
            );
            for accepted in [with(true, true), with(false, true), with(false, false)] {
                assert_eq!(one(accepted, path, pcias, 64, 8), []);
            }
        }
        assert_eq!(one(with(true, false), Path::Region, pcias, 64, 8), []);
    }
}

#[test]
fn gaddr_misaligned() {
    for low in 1..8 {
        assert_eq!(
            one_from(config(), 16, 0x7000 + low),
            [Rule::GaddrMisaligned],
            "{low}"
        );
    }
    assert_eq!(one_from(config(), 13, 0x7008), []);
    // No bytes went through gaddr, so there is nothing to judge.
    assert_eq!(one(config(), Path::Region, DATA, TOKEN, 16), []);
}

#[test]
fn gaddr_crosses_page() {
    assert_eq!(one_from(config(), 17, 0x7ff0), [Rule::GaddrCrossesPage]);
    assert_eq!(one_from(config(), 16, 0x7ff0), []);
    assert_eq!(one_from(config(), 4096, 0x7008), [Rule::GaddrCrossesPage]);
    assert_eq!(one_from(config(), 4096, 0x7000), []);
    assert_eq!(one_from(config(), 1, u64::MAX), [Rule::GaddrMisaligned]);
}

#[test]
fn reject_refuses_with_eio_and_warn_does_not() {
    let cases: [(Rule, ShapeConfig, Path, u8, u64, usize); 5] = [
        (Rule::StrictLength, strict(), Path::Region, DATA, TOKEN, 12),
        (
            Rule::StrictAlignment,
            strict(),
            Path::Region,
            DATA,
            TOKEN + 4,
            16,
        ),
        (Rule::Crosses4k, config(), Path::Bar, DATA, TOKEN + 4090, 16),
        (Rule::PlainStore, config(), Path::Bar, COMMAND, 0, 4),
        (
            Rule::NotLegacyPath,
            ShapeConfig {
                contracts: Contracts { bar: false, ..BOTH },
                ..config()
            },
            Path::Bar,
            DATA,
            TOKEN,
            16,
        ),
    ];
    for (rule, config, path, pcias, offset, len) in cases {
        for severity in [
            Severity::Off,
            Severity::Note,
            Severity::Warn,
            Severity::Reject,
        ] {
            let mut bench = Bench::with(rule, severity, config.clone());
            let result = bench.store(path, pcias, offset, len);
            if severity == Severity::Reject {
                let refusal = result.unwrap_err();
                assert_eq!((refusal.failure, refusal.rule), (Failure::Io, Some(rule)));
                assert_eq!(refusal.failure.errno(), 5);
                assert_eq!(refusal.reason, bench.seen.0[0].detail);
            } else {
                assert_eq!(result, Ok(()), "{rule}");
            }
            let recorded: Vec<_> = bench.seen.0.iter().map(|v| (v.rule, v.severity)).collect();
            let expected: &[_] = if severity == Severity::Off {
                &[]
            } else {
                &[(rule, severity)]
            };
            assert_eq!(recorded, expected);
        }
    }
}

#[test]
fn gaddr_rules_reject_too() {
    for (rule, gaddr) in [
        (Rule::GaddrMisaligned, 0x1001),
        (Rule::GaddrCrossesPage, 0x1ff8),
    ] {
        let mut bench = Bench::with(rule, Severity::Reject, config());
        let refusal = bench
            .store_from(Path::Region, DATA, TOKEN, 16, Some(gaddr))
            .unwrap_err();
        assert_eq!((refusal.failure, refusal.rule), (Failure::Io, Some(rule)));
    }
}

#[test]
fn a_violation_tells_where_and_what() {
    let mut bench = Bench::new(config());
    bench.store(Path::BarMulti, COMMAND, 0x18, 4).unwrap();
    let [violation] = &bench.seen.0[..] else {
        panic!("{:?}", bench.seen.0)
    };
    assert_eq!(
        (
            violation.path,
            violation.pcias,
            violation.offset,
            violation.len
        ),
        (Path::BarMulti, COMMAND, 0x18, 4)
    );
    assert_eq!((violation.pieces, violation.piece_len), (1, 4));
    assert_eq!(
        violation.detail,
        "plain store of 4 bytes at offset 0x18 of BAR 2: expected a block store"
    );
}

#[test]
fn of_several_broken_rules_all_are_told_and_the_first_rejected_one_refuses() {
    let mut config = strict();
    for rule in [Rule::StrictAlignment, Rule::Crosses4k] {
        config.rules.set(rule, Severity::Reject);
    }
    let mut bench = Bench::new(config);
    let refusal = bench
        .store(Path::Region, DATA, TOKEN + 4092, 12)
        .unwrap_err();
    assert_eq!(refusal.rule, Some(Rule::StrictAlignment));
    assert_eq!(
        bench.rules(),
        [Rule::StrictLength, Rule::StrictAlignment, Rule::Crosses4k]
    );
}

#[test]
fn a_register_store_to_the_data_space_always_fails() {
    for severity in [
        Severity::Off,
        Severity::Note,
        Severity::Warn,
        Severity::Reject,
    ] {
        let mut bench = Bench::with(Rule::PcistgToDataBar, severity, config());
        let refusal = bench.pcistg(DATA, TOKEN, 8).unwrap_err();
        assert_eq!(
            (refusal.failure, refusal.rule),
            (Failure::Io, Some(Rule::PcistgToDataBar))
        );
        assert_eq!(
            refusal.reason,
            "PCISTG of 8 bytes at offset 0x100000000 of BAR 0: expected PCISTB, the only store there"
        );
        let told = usize::from(severity != Severity::Off);
        assert_eq!(bench.rules(), vec![Rule::PcistgToDataBar; told]);
    }
}

#[test]
fn a_register_store_to_the_command_space_is_a_plain_store() {
    for len in [1, 3, 8] {
        let mut bench = Bench::new(config());
        assert_eq!(bench.pcistg(COMMAND, 8, len), Ok(()));
        assert_eq!(bench.rules(), [Rule::PlainStore], "{len}");
        let mut bench = Bench::with(Rule::PlainStore, Severity::Reject, config());
        let refusal = bench.pcistg(COMMAND, 8, len).unwrap_err();
        assert_eq!(refusal.rule, Some(Rule::PlainStore));
    }
}

#[test]
fn rules_of_the_block_store_do_not_bind_a_register_store() {
    let mut bench = Bench::new(strict());
    assert_eq!(bench.pcistg(COMMAND, 12, 4), Ok(()));
    assert_eq!(bench.rules(), [Rule::PlainStore]);
}
