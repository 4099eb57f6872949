//! Totals by rule, path and function, for the report file and the summary at the end.

use std::collections::BTreeMap;

use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::Serialize;
use zpci_region::Severity;
use zpci_region::rule::catalogue::CATALOGUE;

use super::latency::Latencies;
use super::tally::{PATHS, Tally};

/// The version of the report format.
pub const SCHEMA_VERSION: u32 = 1;

/// Totals of a server's run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Version of the report format.
    pub schema_version: u32,
    /// Version of this program.
    pub version: &'static str,
    /// Name of the served profile.
    pub profile: String,
    /// Number of violations by all functions.
    pub violations: u64,
    /// Number of those that a fault may have caused.
    pub caused_violations: u64,
    /// Highest severity among violations that no fault caused.
    pub worst_severity: Option<Severity>,
    /// Number of the report in this process, from 1.
    pub number: u64,
    /// Number of descriptors that the process has open now, if known.
    pub open_descriptors: Option<usize>,
    /// Number of events that the event file did not take, because it was full or a write failed.
    pub events_lost: u64,
    /// Number of log lines that were left out because there were too many.
    pub log_lines_left_out: u64,
    /// The totals of each function.
    pub functions: Vec<FunctionReport>,
}

/// Totals of one function.
#[derive(Debug, Serialize)]
pub struct FunctionReport {
    /// Name of the function.
    pub name: String,
    /// Number of device clients served.
    pub clients: u64,
    /// Number of instruction channel clients served.
    pub channel_clients: u64,
    /// Number of clients of either kind that were refused because another one was connected.
    pub clients_refused: u64,
    /// Number of messages that got an error as their answer.
    pub refused_messages: u64,
    /// Number of commands that were answered.
    pub commands: u64,
    /// Number of those with a response code other than 0.
    pub failed_commands: u64,
    /// Number of data moves.
    pub moves: u64,
    /// Number of those with the signal flag.
    pub signals: u64,
    /// Number of interrupts.
    pub interrupts: u64,
    /// The resources that the function holds now.
    #[serde(flatten)]
    pub held: Held,
    /// Number of times that a peer reached each limit, by name (`docs/limits.md`). Limits that nobody
    /// reached are absent.
    pub over_limits: BTreeMap<&'static str, u64>,
    /// Number of faults that hit the function, by action.
    pub faults: BTreeMap<&'static str, u64>,
    /// Totals of accesses by each path.
    pub paths: Vec<PathReport>,
    /// The rules that were broken at least once.
    pub rules: Vec<RuleReport>,
    /// Times of accesses, if measured. Only the metrics show them.
    #[serde(skip)]
    pub latencies: Option<Box<Latencies>>,
}

/// The resources that one function holds now.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Held {
    /// True if a device client is connected.
    pub connected: bool,
    /// True if the instruction channel has a client.
    pub channel_connected: bool,
    /// Number of DMA maps.
    pub dma_maps: usize,
    /// Number of files behind the maps.
    pub guest_files: usize,
    /// Number of eventfds assigned to interrupt vectors.
    pub eventfds: usize,
    /// Number of DMBs that the function registered.
    pub dmbs: usize,
    /// True if the SBA is registered.
    pub sba: bool,
    /// True if the event queue is registered.
    pub ieq: bool,
    /// Number of VLANs of which the function is a member.
    pub vlans: usize,
}

/// Totals of accesses by one path.
#[derive(Debug, Serialize)]
pub struct PathReport {
    /// Name of the path: `region`, `bar` or `bar-multi`.
    pub path: &'static str,
    /// Number of stores that were carried out.
    pub stores: u64,
    /// Number of bytes stored.
    pub stored_bytes: u64,
    /// Number of loads that were answered.
    pub loads: u64,
    /// Number of accesses that were refused.
    pub refused: u64,
}

/// Totals of one broken rule.
#[derive(Debug, Serialize)]
pub struct RuleReport {
    /// Id of the rule.
    pub rule: &'static str,
    /// The highest severity with which it was broken.
    pub severity: Severity,
    /// Number of violations.
    pub violations: u64,
    /// Number of violations that a fault may have caused.
    pub caused: u64,
    /// Number of pieces in all violations together.
    pub pieces: u64,
}

impl FunctionReport {
    /// Builds the totals of one function from its counters.
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
    /// Returns the report as one line of JSON.
    pub fn line(&self) -> String {
        serde_json::to_string(self).map_or_else(|error| error.to_string(), |text| text + "\n")
    }

    /// Returns the summary for people, as text.
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
    // Without this, the table asks the terminal for its width, which the sandbox forbids.
    table.force_no_tty();
    table
        .load_style(presets::NOTHING)
        .set_header(header.to_vec());
    table
}

/// Adds a row. Cells from `numbers` on are right-aligned.
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
