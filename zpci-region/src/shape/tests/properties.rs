use proptest::prelude::*;

use super::{Bench, COMMAND, DATA, config};
use crate::access::Path;
use crate::rule::Rule;
use crate::shape::{Contracts, ShapeConfig};

fn path() -> impl Strategy<Value = Path> {
    prop_oneof![Just(Path::Region), Just(Path::Bar), Just(Path::BarMulti)]
}

proptest! {
    /// Cuts a block store that one PCISTB could carry, like a machine with 8-byte accesses.
    #[test]
    fn a_cut_store_is_reported_once_with_its_pieces(
        path in path(),
        page in 0..1u64 << 36,
        start in 0..4096usize,
        len in 1..=4096usize,
    ) {
        let len = len.min(4096 - start);
        let offset = page * 4096 + start as u64;
        let mut pieces = Vec::new();
        let mut done = 0;
        while done < len {
            let piece = [8, 4, 2, 1].into_iter().find(|piece| *piece <= len - done).unwrap();
            pieces.push((offset + done as u64, piece));
            done += piece;
        }
        let mut bench = Bench::new(config());
        for (offset, piece) in &pieces {
            bench.store(path, DATA, *offset, *piece).unwrap();
        }
        bench.settle();
        if pieces.len() == 1 {
            prop_assert_eq!(bench.runs(), []);
        } else {
            prop_assert_eq!(bench.runs(), [(offset, len, pieces.len(), pieces[0].1)]);
        }
        prop_assert_eq!(bench.seen.0.len(), usize::from(pieces.len() > 1));
    }

    /// Checks that the same store in one piece breaks no rule.
    #[test]
    fn a_whole_store_breaks_nothing(
        path in path(),
        page in 0..1u64 << 36,
        start in 0..4096usize,
        len in 1..=4096usize,
    ) {
        let len = len.min(4096 - start);
        let mut bench = Bench::new(config());
        bench.store(path, DATA, page * 4096 + start as u64, len).unwrap();
        bench.settle();
        prop_assert_eq!(bench.seen.0, []);
    }

    /// Checks that any store is judged without a panic, and refused only if it cannot be carried out (no
    /// other rule rejects here).
    #[test]
    fn any_accesses_are_judged_without_a_panic(
        accesses in prop::collection::vec(
            (path(), any::<bool>(), any::<u8>(), prop_oneof![any::<u64>(), 0..9000u64], 0..5000usize,
             any::<Option<u64>>()),
            0..40,
        ),
        relaxed: bool,
        region: bool,
        bar: bool,
    ) {
        let contracts = Contracts { region, bar };
        let mut bench = Bench::new(ShapeConfig { relaxed, contracts, ..config() });
        for (path, load, pcias, offset, len, gaddr) in accesses {
            let pcias = pcias % 7;
            let inside = |size: u64| offset.checked_add(len as u64).is_some_and(|end| end <= size);
            let exists = match pcias {
                DATA => inside(1 << 48),
                COMMAND | super::MSIX => inside(4096),
                _ => false,
            };
            let (result, possible) = if load {
                let result = bench.load(path, pcias, offset, len);
                (result, len <= 8 || path != Path::Region || pcias == super::MSIX)
            } else {
                let result = bench.store_from(path, pcias, offset, len, gaddr);
                (result, len <= 4096 || pcias == super::MSIX)
            };
            prop_assert_eq!(result.is_ok(), exists && possible && len > 0, "{:?}", result);
        }
        bench.settle();
        prop_assert!(!bench.rules().iter().any(|rule| relaxed && *rule == Rule::StrictLength));
    }
}
