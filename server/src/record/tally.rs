//! Counters: violations by rule, accesses by path, for one function.

use std::collections::BTreeMap;

use zpci_region::{Path, Rule, Severity, Violation};

use crate::limits::Over;
use crate::record::latency::Latencies;

/// The counts of one rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleCount {
    /// Times it was broken.
    pub violations: u64,
    /// Pieces concerned, over all violations.
    pub pieces: u64,
    /// Most severe severity it was broken with.
    pub severity: Option<Severity>,
    /// Of the times, those that may come of a fault.
    pub caused: u64,
}

/// Accesses of one path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathCount {
    /// Stores carried out.
    pub stores: u64,
    /// Bytes stored.
    pub stored_bytes: u64,
    /// Loads answered.
    pub loads: u64,
    /// Accesses refused.
    pub refused: u64,
}

/// Totals of one function.
#[derive(Clone, Debug)]
pub struct Tally {
    rules: [RuleCount; Rule::COUNT],
    paths: [PathCount; 3],
    /// Commands carried out.
    pub commands: u64,
    /// Commands answered with a response code other than 0.
    pub failed_commands: u64,
    /// Data moves carried out.
    pub moves: u64,
    /// Moves that carried the signal flag.
    pub signals: u64,
    /// Clients served.
    pub clients: u64,
    /// Clients of the instruction channel served.
    pub channel_clients: u64,
    /// Clients refused while another was connected.
    pub clients_refused: u64,
    /// Messages answered with an error.
    pub refused_messages: u64,
    over: [u64; Over::ALL.len()],
    /// Faults that were injected, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// The most severe violation that comes of no fault.
    worst: Option<Severity>,
    /// The time that accesses took, if anyone asks.
    pub latencies: Option<Box<Latencies>>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            rules: [RuleCount::default(); Rule::COUNT],
            paths: [PathCount::default(); 3],
            commands: 0,
            failed_commands: 0,
            moves: 0,
            signals: 0,
            clients: 0,
            channel_clients: 0,
            clients_refused: 0,
            refused_messages: 0,
            over: [0; Over::ALL.len()],
            faults: BTreeMap::new(),
            worst: None,
            latencies: None,
        }
    }
}

/// The paths, in the order of the counters.
pub const PATHS: [Path; 3] = [Path::Region, Path::Bar, Path::BarMulti];

impl Tally {
    /// Counts a violation, which may be `caused` by a fault, and returns how often its rule has
    /// been broken.
    pub fn violation(&mut self, violation: &Violation, caused: bool) -> u64 {
        if !caused {
            self.worst = self.worst.max(Some(violation.severity));
        }
        let Some(count) = self.rules.get_mut(violation.rule.index()) else {
            return 0;
        };
        count.violations += 1;
        count.pieces += violation.pieces as u64;
        count.severity = count.severity.max(Some(violation.severity));
        count.caused += u64::from(caused);
        count.violations
    }

    /// Counts a bound that a peer ran into.
    pub fn ran_over(&mut self, over: Over) {
        self.over[over as usize] += 1;
    }

    /// Times that a peer ran into a bound.
    pub fn over(&self, over: Over) -> u64 {
        self.over[over as usize]
    }

    /// Counts a store.
    pub fn store(&mut self, path: Path, len: usize, accepted: bool) {
        let count = self.path_mut(path);
        if accepted {
            count.stores += 1;
            count.stored_bytes += len as u64;
        } else {
            count.refused += 1;
        }
    }

    /// Counts a load.
    pub fn load(&mut self, path: Path, accepted: bool) {
        let count = self.path_mut(path);
        if accepted {
            count.loads += 1;
        } else {
            count.refused += 1;
        }
    }

    /// Counts of a rule.
    pub fn rule(&self, rule: Rule) -> RuleCount {
        self.rules.get(rule.index()).copied().unwrap_or_default()
    }

    /// Counts of a path.
    pub fn path(&self, path: Path) -> PathCount {
        match path {
            Path::Region => self.paths[0],
            Path::Bar => self.paths[1],
            Path::BarMulti => self.paths[2],
        }
    }

    /// Counts a fault of this kind.
    pub fn fault(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    /// The most severe violation so far that comes of no fault.
    pub fn worst(&self) -> Option<Severity> {
        self.worst
    }

    fn path_mut(&mut self, path: Path) -> &mut PathCount {
        match path {
            Path::Region => &mut self.paths[0],
            Path::Bar => &mut self.paths[1],
            Path::BarMulti => &mut self.paths[2],
        }
    }
}
