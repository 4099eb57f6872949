//! Tests of the shape rules. Each rule has a case that breaks it and one that comes close.

mod loads;
mod properties;
mod runs;
mod stores;

use super::{BarRole, BarShape, Contracts, ShapeChecker, ShapeConfig};
use crate::access::{Instruction, Load, Path, Store};
use crate::judgement::Refusal;
use crate::rule::{Observer, Rule, RuleSet, Severity, Violation};

const DATA: u8 = 0;
const COMMAND: u8 = 2;
const MSIX: u8 = 4;
const BOTH: Contracts = Contracts {
    region: true,
    bar: true,
};

/// Returns a relaxed function with the real function's BARs and an MSI-X table. No rule rejects.
fn config() -> ShapeConfig {
    let bar = |size, role| Some(BarShape { size, role });
    let mut rules = RuleSet::default();
    for info in &crate::rule::catalogue::CATALOGUE {
        rules.set(info.rule, Severity::Warn);
    }
    ShapeConfig {
        maxstbl: 4096,
        relaxed: true,
        contracts: BOTH,
        bars: [
            bar(1 << 48, BarRole::Data),
            None,
            bar(4096, BarRole::Command),
            None,
            bar(4096, BarRole::Other),
            None,
        ],
        rules,
    }
}

fn strict() -> ShapeConfig {
    ShapeConfig {
        maxstbl: 128,
        relaxed: false,
        ..config()
    }
}

#[derive(Default)]
struct Seen(Vec<Violation>);

impl Observer for Seen {
    fn violation(&mut self, violation: &Violation) {
        self.0.push(violation.clone());
    }
}

struct Bench {
    checker: ShapeChecker,
    seen: Seen,
}

impl Bench {
    fn new(config: ShapeConfig) -> Self {
        Self {
            checker: ShapeChecker::new(config),
            seen: Seen::default(),
        }
    }

    fn with(rule: Rule, severity: Severity, mut config: ShapeConfig) -> Self {
        config.rules.set(rule, severity);
        Self::new(config)
    }

    fn store_from(
        &mut self,
        path: Path,
        pcias: u8,
        offset: u64,
        len: usize,
        gaddr: Option<u64>,
    ) -> Result<(), Refusal> {
        let data = vec![0x5a; len];
        let store = Store {
            path,
            instruction: Instruction::Pcistb,
            pcias,
            offset,
            data: &data,
            gaddr,
        };
        self.checker.store(&store, &mut self.seen)
    }

    /// Issues a PCISTG, which only the region can name.
    fn pcistg(&mut self, pcias: u8, offset: u64, len: usize) -> Result<(), Refusal> {
        let store = Store {
            path: Path::Region,
            instruction: Instruction::Pcistg,
            pcias,
            offset,
            data: &vec![0x5a; len],
            gaddr: None,
        };
        self.checker.store(&store, &mut self.seen)
    }

    fn store(&mut self, path: Path, pcias: u8, offset: u64, len: usize) -> Result<(), Refusal> {
        self.store_from(path, pcias, offset, len, None)
    }

    fn load(&mut self, path: Path, pcias: u8, offset: u64, len: usize) -> Result<(), Refusal> {
        let load = Load {
            path,
            pcias,
            offset,
            len,
            gaddr: None,
        };
        self.checker.load(&load, &mut self.seen)
    }

    fn settle(&mut self) {
        self.checker.settle(&mut self.seen);
    }

    /// Returns the rules broken so far, without the open run.
    fn rules(&self) -> Vec<Rule> {
        self.seen.0.iter().map(|violation| violation.rule).collect()
    }

    /// Returns the runs reported so far: offset, bytes, pieces, largest piece.
    fn runs(&self) -> Vec<(u64, usize, usize, usize)> {
        self.seen
            .0
            .iter()
            .filter(|violation| violation.rule == Rule::SplitBlockStore)
            .map(|v| (v.offset, v.len, v.pieces, v.piece_len))
            .collect()
    }
}
