//! Counters of one function: violations by rule, accesses by path.

use std::collections::BTreeMap;

use zpci_region::{Path, Rule, Severity, Violation};

use crate::limits::Over;
use crate::record::latency::Latencies;

/// The counters of one rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleCount {
    /// Number of violations.
    pub violations: u64,
    /// Number of pieces in all violations together.
    pub pieces: u64,
    /// The highest severity with which it was broken.
    pub severity: Option<Severity>,
    /// Number of violations that a fault may have caused.
    pub caused: u64,
}

/// The counters of one path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathCount {
    /// Number of stores that were carried out.
    pub stores: u64,
    /// Number of bytes stored.
    pub stored_bytes: u64,
    /// Number of loads that were answered.
    pub loads: u64,
    /// Number of accesses that were refused.
    pub refused: u64,
}

/// The counters of one function.
#[derive(Clone, Debug)]
pub struct Tally {
    rules: [RuleCount; Rule::COUNT],
    paths: [PathCount; 3],
    /// Number of commands that were answered.
    pub commands: u64,
    /// Number of those with a response code other than 0.
    pub failed_commands: u64,
    /// Number of data moves.
    pub moves: u64,
    /// Number of those with the signal flag.
    pub signals: u64,
    /// Number of device clients served.
    pub clients: u64,
    /// Number of instruction channel clients served.
    pub channel_clients: u64,
    /// Number of clients that were refused because another one was connected.
    pub clients_refused: u64,
    /// Number of messages that got an error as their answer.
    pub refused_messages: u64,
    over: [u64; Over::ALL.len()],
    /// Number of faults that were injected, by action.
    pub faults: BTreeMap<&'static str, u64>,
    /// The highest severity of a violation that no fault caused.
    worst: Option<Severity>,
    /// Times of accesses, if measured.
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

/// All paths, in the order of the counters.
pub const PATHS: [Path; 3] = [Path::Region, Path::Bar, Path::BarMulti];

impl Tally {
    /// Counts a violation, which a fault may have `caused`. Returns the number of violations of its rule.
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

    /// Counts that a peer reached a limit.
    pub fn ran_over(&mut self, over: Over) {
        self.over[over as usize] += 1;
    }

    /// Number of times that a peer reached this limit.
    pub fn over(&self, over: Over) -> u64 {
        self.over[over as usize]
    }

    /// Counts a store; `accepted` means that it was carried out.
    pub fn store(&mut self, path: Path, len: usize, accepted: bool) {
        let count = self.path_mut(path);
        if accepted {
            count.stores += 1;
            count.stored_bytes += len as u64;
        } else {
            count.refused += 1;
        }
    }

    /// Counts a load; `accepted` means that it was answered.
    pub fn load(&mut self, path: Path, accepted: bool) {
        let count = self.path_mut(path);
        if accepted {
            count.loads += 1;
        } else {
            count.refused += 1;
        }
    }

    /// Returns the counters of a rule.
    pub fn rule(&self, rule: Rule) -> RuleCount {
        self.rules.get(rule.index()).copied().unwrap_or_default()
    }

    /// Returns the counters of a path.
    pub fn path(&self, path: Path) -> PathCount {
        match path {
            Path::Region => self.paths[0],
            Path::Bar => self.paths[1],
            Path::BarMulti => self.paths[2],
        }
    }

    /// Counts an injected fault by the name of its action.
    pub fn fault(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    /// The highest severity so far of a violation that no fault caused.
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
