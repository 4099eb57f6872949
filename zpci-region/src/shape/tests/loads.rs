use super::{Bench, COMMAND, DATA, MSIX, config};
use crate::access::{Failure, Load, Path};
use crate::rule::{Rule, Severity};

fn one(path: Path, pcias: u8, offset: u64, len: usize) -> Vec<Rule> {
    let mut bench = Bench::new(config());
    let _ = bench.load(path, pcias, offset, len);
    bench.rules()
}

#[test]
fn load_too_long_always_fails_through_the_region() {
    for severity in [Severity::Off, Severity::Note, Severity::Reject] {
        let mut bench = Bench::with(Rule::LoadTooLong, severity, config());
        let refusal = bench.load(Path::Region, COMMAND, 0, 9).unwrap_err();
        assert_eq!(
            (refusal.failure, refusal.rule),
            (Failure::Io, Some(Rule::LoadTooLong))
        );
        let expected: &[Rule] = if severity == Severity::Off {
            &[]
        } else {
            &[Rule::LoadTooLong]
        };
        assert_eq!(bench.rules(), expected);
    }
    assert_eq!(one(Path::Region, COMMAND, 0, 8), []);
    // The server cuts a long read of a BAR into loads.
    for path in [Path::Bar, Path::BarMulti] {
        assert_eq!(one(path, COMMAND, 0, 16), []);
        assert_eq!(one(path, COMMAND, 0, 4096), []);
    }
}

#[test]
fn load_crosses_8() {
    let rules = one(Path::Region, COMMAND, 4, 8);
    assert!(rules.contains(&Rule::LoadCrosses8), "{rules:?}");
    let rules = one(Path::Region, COMMAND, 4, 4);
    assert!(!rules.contains(&Rule::LoadCrosses8), "{rules:?}");
    let rules = one(Path::Bar, COMMAND, 4, 8);
    assert!(!rules.contains(&Rule::LoadCrosses8), "{rules:?}");
    let mut bench = Bench::with(Rule::LoadCrosses8, Severity::Reject, config());
    let refusal = bench.load(Path::Region, COMMAND, 7, 2).unwrap_err();
    assert_eq!(
        (refusal.failure, refusal.rule),
        (Failure::Io, Some(Rule::LoadCrosses8))
    );
}

#[test]
fn load_from_data_bar() {
    for path in [Path::Region, Path::Bar] {
        assert_eq!(one(path, DATA, 0x1_0000_0000, 8), [Rule::LoadFromDataBar]);
        assert_eq!(one(path, COMMAND, 0, 8), []);
        assert_eq!(one(path, MSIX, 0, 8), []);
    }
}

#[test]
fn odd_command_load() {
    for (offset, len) in [(0, 4), (4, 4), (0, 1), (2, 2)] {
        assert_eq!(
            one(Path::Region, COMMAND, offset, len),
            [Rule::OddCommandLoad]
        );
        assert_eq!(one(Path::Bar, COMMAND, offset, len), [Rule::OddCommandLoad]);
        assert_eq!(one(Path::Bar, MSIX, offset, len), []);
    }
    assert_eq!(one(Path::Bar, COMMAND, 8, 12), [Rule::OddCommandLoad]);
    assert_eq!(one(Path::Bar, COMMAND, 8, 192), []);
}

#[test]
fn loads_outside_a_bar_or_of_nothing_fail() {
    let mut bench = Bench::with(Rule::OutsideBar, Severity::Off, config());
    let cases = [
        (Path::Region, COMMAND, 4090, 8, Failure::Io),
        (Path::Bar, COMMAND, 4090, 8, Failure::Invalid),
        (Path::Region, 5, 0, 8, Failure::Io),
        (Path::Bar, DATA, u64::MAX, 8, Failure::Invalid),
        (Path::Region, COMMAND, 0, 0, Failure::Invalid),
        (Path::Bar, MSIX, 4096, 4, Failure::Invalid),
    ];
    for (path, pcias, offset, len, failure) in cases {
        let refusal = bench.load(path, pcias, offset, len).unwrap_err();
        assert_eq!(refusal.failure, failure, "{refusal}");
    }
    assert_eq!(one(Path::Region, COMMAND, 4092, 8), [Rule::OutsideBar]);
    assert_eq!(one(Path::Region, COMMAND, 4088, 8), []);
}

#[test]
fn a_load_needs_a_whole_register_at_gaddr() {
    let rules = |gaddr, len| {
        let mut bench = Bench::with(Rule::OddCommandLoad, Severity::Off, config());
        let load = Load {
            path: Path::Region,
            pcias: COMMAND,
            offset: 0,
            len,
            gaddr: Some(gaddr),
        };
        let _ = bench.checker.load(&load, &mut bench.seen);
        bench.rules()
    };
    assert_eq!(rules(0x1ff8, 8), []);
    assert_eq!(rules(0x1ff4, 8), [Rule::GaddrMisaligned]);
    assert_eq!(
        rules(0x1ffc, 4),
        [Rule::GaddrMisaligned, Rule::GaddrCrossesPage]
    );
}
