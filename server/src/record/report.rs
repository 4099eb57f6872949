//! Totals by rule, path and function: the report file and the summary table at the end.

use std::collections::BTreeMap;

use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::Serialize;
use zpci_region::Severity;
use zpci_region::rule::catalogue::CATALOGUE;

use super::latency::Latencies;
use super::tally::{PATHS, Tally};

/// The version of the report format.
pub const SCHEMA_VERSION: u32 = 1;

/// Totals of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Version of the format.
    pub schema_version: u32,
    /// Version of this program.
    pub version: &'static str,
    /// Name of the profile.
    pub profile: String,
    /// Violations of all functions.
    pub violations: u64,
    /// Of those, the ones that may come of a fault.
    pub caused_violations: u64,
    /// Most severe severity among those that come of no fault.
    pub worst_severity: Option<Severity>,
    /// The number of the report in this process, from 1.
    pub number: u64,
    /// Descriptors that the process has open now, if that can be told.
    pub open_descriptors: Option<usize>,
    /// Events that the event file did not take, for it was full or could not be written.
    pub events_lost: u64,
    /// Log lines left out, for there were too many.
    pub log_lines_left_out: u64,
    /// By function.
    pub functions: Vec<FunctionReport>,
}

/// Totals of one function.
#[derive(Debug, Serialize)]
pub struct FunctionReport {
    /// Its name.
    pub name: String,
    /// Clients served.
    pub clients: u64,
    /// Clients of the instruction channel served.
    pub channel_clients: u64,
    /// Clients of either kind refused while another was connected.
    pub clients_refused: u64,
    /// Messages answered with an error.
    pub refused_messages: u64,
    /// Commands carried out.
    pub commands: u64,
    /// Of those, answered with a response code other than 0.
    pub failed_commands: u64,
    /// Data moves.
    pub moves: u64,
    /// Of those, with the signal flag.
    pub signals: u64,
    /// Interrupts raised.
    pub interrupts: u64,
    /// The resources that it holds now.
    #[serde(flatten)]
    pub held: Held,
    /// Times that a peer ran into each bound, by name (`docs/limits.md`), where it did.
    pub over_limits: BTreeMap<&'static str, u64>,
    /// Faults injected at it, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Accesses by path.
    pub paths: Vec<PathReport>,
    /// Rules broken at least once.
    pub rules: Vec<RuleReport>,
    /// The time that accesses took, where it is measured: for the metrics only.
    #[serde(skip)]
    pub latencies: Option<Box<Latencies>>,
}

/// The resources that one function holds now.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Held {
    /// Whether a client is connected.
    pub connected: bool,
    /// Whether the instruction channel has a client.
    pub channel_connected: bool,
    /// DMA maps in force.
    pub dma_maps: usize,
    /// Files mapped behind them.
    pub guest_files: usize,
    /// Eventfds assigned to interrupt vectors.
    pub eventfds: usize,
    /// DMBs that it registered.
    pub dmbs: usize,
    /// Whether its SBA is registered.
    pub sba: bool,
    /// Whether its event queue is registered.
    pub ieq: bool,
    /// VLAN ids that it is a member of.
    pub vlans: usize,
}

/// Accesses of one path.
#[derive(Debug, Serialize)]
pub struct PathReport {
    /// `region`, `bar` or `bar-multi`.
    pub path: &'static str,
    /// Stores carried out.
    pub stores: u64,
    /// Bytes stored.
    pub stored_bytes: u64,
    /// Loads answered.
    pub loads: u64,
    /// Accesses refused.
    pub refused: u64,
}

/// One rule broken.
#[derive(Debug, Serialize)]
pub struct RuleReport {
    /// Its id.
    pub rule: &'static str,
    /// Severity in force.
    pub severity: Severity,
    /// Times it was broken.
    pub violations: u64,
    /// Of the times, those that may come of a fault.
    pub caused: u64,
    /// Pieces concerned.
    pub pieces: u64,
}

impl FunctionReport {
    /// Totals of one function from its counters.
    pub fn new(name: &str, tally: &Tally, interrupts: u64, held: Held) -> Self {
        let paths = PATHS.iter().map(|path| {
            let count = tally.path(*path);
            PathReport {
                path: path.name(),
                stores: count.stores,
                stored_bytes: count.stored_bytes,
                loads: count.loads,
                refused: count.refused,
            }
        });
        let rules = CATALOGUE.iter().filter_map(|info| {
            let count = tally.rule(info.rule);
            Some(RuleReport {
                rule: info.id,
                severity: count.severity?,
                violations: count.violations,
                caused: count.caused,
                pieces: count.pieces,
            })
        });
        Self {
            name: name.to_owned(),
            clients: tally.clients,
            channel_clients: tally.channel_clients,
            clients_refused: tally.clients_refused,
            refused_messages: tally.refused_messages,
            commands: tally.commands,
            failed_commands: tally.failed_commands,
            moves: tally.moves,
            signals: tally.signals,
            interrupts,
            held,
            over_limits: BTreeMap::new(),
            faults: tally.faults.clone(),
            paths: paths.collect(),
            rules: rules.collect(),
            latencies: tally.latencies.clone(),
        }
    }
}

impl Report {
    /// The report as JSON in one line.
    pub fn line(&self) -> String {
        serde_json::to_string(self).map_or_else(|error| error.to_string(), |text| text + "\n")
    }

    /// The summary for people.
    pub fn summary(&self) -> String {
        let mut accesses = table(&[
            "function",
            "path",
            "stores",
            "bytes",
            "loads",
            "refused",
            "commands",
            "moves",
            "interrupts",
        ]);
        let mut rules = table(&["function", "rule", "severity", "violations", "pieces"]);
        for function in &self.functions {
            for (at, path) in function.paths.iter().enumerate() {
                if at > 0 && path.stores + path.loads + path.refused == 0 {
                    continue;
                }
                let once = |value: u64| {
                    if at == 0 {
                        value.to_string()
                    } else {
                        String::new()
                    }
                };
                row(
                    &mut accesses,
                    2,
                    &[
                        function.name.clone(),
                        path.path.to_owned(),
                        path.stores.to_string(),
                        path.stored_bytes.to_string(),
                        path.loads.to_string(),
                        path.refused.to_string(),
                        once(function.commands),
                        once(function.moves),
                        once(function.interrupts),
                    ],
                );
            }
            for rule in &function.rules {
                row(
                    &mut rules,
                    3,
                    &[
                        function.name.clone(),
                        rule.rule.to_owned(),
                        rule.severity.name().to_owned(),
                        rule.violations.to_string(),
                        rule.pieces.to_string(),
                    ],
                );
            }
        }
        if self.violations == 0 {
            format!("{accesses}\nno rule was broken\n")
        } else {
            format!("{accesses}\n{rules}\n{} violations\n", self.violations)
        }
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    // A terminal would be asked for its width, by means that the sandbox does not allow.
    table.force_no_tty();
    table
        .load_style(presets::NOTHING)
        .set_header(header.to_vec());
    table
}

/// Adds a row whose cells from `numbers` on are right-aligned.
fn row(table: &mut Table, numbers: usize, cells: &[String]) {
    table.add_row(cells.iter().enumerate().map(|(at, text)| {
        let alignment = if at >= numbers {
            CellAlignment::Right
        } else {
            CellAlignment::Left
        };
        Cell::new(text).set_alignment(alignment)
    }));
}
