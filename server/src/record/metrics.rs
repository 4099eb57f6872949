//! Totals as Prometheus text (exposition format 0.0.4).

use std::fmt::Write;

use super::latency::{BOUNDS, Timed};
use super::report::{FunctionReport, Report};

/// Content type of the text in HTTP.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The prefix of all metric names.
const PREFIX: &str = "vfio_user_ism_";

/// A counter or gauge that each function has.
struct Metric {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    /// Returns labels (after that of the function) and values.
    values: fn(&FunctionReport) -> Vec<(String, u64)>,
}

fn one(value: u64) -> Vec<(String, u64)> {
    vec![(String::new(), value)]
}

fn count(value: usize) -> Vec<(String, u64)> {
    one(value as u64)
}

const METRICS: &[Metric] = &[
    Metric {
        name: "stores_total",
        help: "Stores that were carried out.",
        kind: "counter",
        values: |of| by_path(of, |path| path.stores),
    },
    Metric {
        name: "stored_bytes_total",
        help: "Bytes of stores that were carried out.",
        kind: "counter",
        values: |of| by_path(of, |path| path.stored_bytes),
    },
    Metric {
        name: "loads_total",
        help: "Loads that were answered.",
        kind: "counter",
        values: |of| by_path(of, |path| path.loads),
    },
    Metric {
        name: "refused_accesses_total",
        help: "Stores and loads that were refused.",
        kind: "counter",
        values: |of| by_path(of, |path| path.refused),
    },
    Metric {
        name: "violations_total",
        help: "Violations of each rule.",
        kind: "counter",
        values: |of| {
            let rules = of.rules.iter();
            let label = |rule, severity| format!(",rule=\"{rule}\",severity=\"{severity}\"");
            rules
                .map(|rule| (label(rule.rule, rule.severity.name()), rule.violations))
                .collect()
        },
    },
    Metric {
        name: "caused_violations_total",
        help: "Violations of each rule that a fault may have caused.",
        kind: "counter",
        values: |of| {
            let rules = of.rules.iter().filter(|rule| rule.caused > 0);
            rules
                .map(|rule| (format!(",rule=\"{}\"", rule.rule), rule.caused))
                .collect()
        },
    },
    Metric {
        name: "faults_total",
        help: "Faults that were injected, by kind.",
        kind: "counter",
        values: |of| {
            let faults = of.faults.iter();
            faults
                .map(|(kind, times)| (format!(",kind=\"{kind}\""), *times))
                .collect()
        },
    },
    Metric {
        name: "commands_total",
        help: "ISM commands by outcome.",
        kind: "counter",
        values: |of| {
            let ok = of.commands.saturating_sub(of.failed_commands);
            vec![
                (",outcome=\"success\"".to_owned(), ok),
                (",outcome=\"failure\"".to_owned(), of.failed_commands),
            ]
        },
    },
    Metric {
        name: "moves_total",
        help: "Data moves.",
        kind: "counter",
        values: |of| one(of.moves),
    },
    Metric {
        name: "signals_total",
        help: "Data moves with the signal flag.",
        kind: "counter",
        values: |of| one(of.signals),
    },
    Metric {
        name: "interrupts_total",
        help: "Interrupts that were raised.",
        kind: "counter",
        values: |of| one(of.interrupts),
    },
    Metric {
        name: "refused_messages_total",
        help: "vfio-user messages that were answered with an error.",
        kind: "counter",
        values: |of| one(of.refused_messages),
    },
    Metric {
        name: "clients_total",
        help: "Clients by kind.",
        kind: "counter",
        values: |of| {
            vec![
                (",kind=\"device\"".to_owned(), of.clients),
                (",kind=\"channel\"".to_owned(), of.channel_clients),
                (",kind=\"refused\"".to_owned(), of.clients_refused),
            ]
        },
    },
    Metric {
        name: "over_limit_total",
        help: "How often a peer reached a limit.",
        kind: "counter",
        values: |of| {
            let limits = of.over_limits.iter();
            limits
                .map(|(name, times)| (format!(",limit=\"{name}\""), *times))
                .collect()
        },
    },
    Metric {
        name: "connected",
        help: "1 while a client of this kind is connected, else 0.",
        kind: "gauge",
        values: |of| {
            let (device, channel) = (of.held.connected, of.held.channel_connected);
            vec![
                (",kind=\"device\"".to_owned(), device.into()),
                (",kind=\"channel\"".to_owned(), channel.into()),
            ]
        },
    },
    Metric {
        name: "dma_maps",
        help: "DMA maps in force.",
        kind: "gauge",
        values: |of| count(of.held.dma_maps),
    },
    Metric {
        name: "guest_files",
        help: "Files behind DMA maps.",
        kind: "gauge",
        values: |of| count(of.held.guest_files),
    },
    Metric {
        name: "dmbs",
        help: "DMBs that are registered.",
        kind: "gauge",
        values: |of| count(of.held.dmbs),
    },
];

fn by_path(
    of: &FunctionReport,
    value: fn(&super::report::PathReport) -> u64,
) -> Vec<(String, u64)> {
    let paths = of.paths.iter();
    paths
        .map(|path| (format!(",path=\"{}\"", path.path), value(path)))
        .collect()
}

/// Appends the times of accesses, if they are measured.
fn latencies(report: &Report, put: &mut impl FnMut(std::fmt::Arguments<'_>)) {
    let name = format!("{PREFIX}access_seconds");
    let mut told = false;
    for function in &report.functions {
        let Some(latencies) = &function.latencies else {
            continue;
        };
        if !std::mem::replace(&mut told, true) {
            put(format_args!(
                "# HELP {name} Seconds that the function takes for an access, without the wait for its turn."
            ));
            put(format_args!("# TYPE {name} histogram"));
        }
        for what in Timed::ALL {
            let histogram = latencies.of(what);
            let labels = format!("function=\"{}\",access=\"{}\"", function.name, what.name());
            let bounds = BOUNDS.iter().map(|(_, seconds)| *seconds);
            let up_to = histogram.up_to();
            for (le, times) in bounds.chain(["+Inf"]).zip(up_to) {
                put(format_args!(
                    "{name}_bucket{{{labels},le=\"{le}\"}} {times}"
                ));
            }
            let (sum, count) = (histogram.sum.as_secs_f64(), up_to[BOUNDS.len()]);
            put(format_args!("{name}_sum{{{labels}}} {sum}"));
            put(format_args!("{name}_count{{{labels}}} {count}"));
        }
    }
}

/// Returns the totals of a report as Prometheus text.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing into memory does not fail.
    let mut put = |line: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{line}");
    };
    for metric in METRICS {
        let Metric {
            name,
            help,
            kind,
            values,
        } = metric;
        put(format_args!("# HELP {PREFIX}{name} {help}"));
        put(format_args!("# TYPE {PREFIX}{name} {kind}"));
        for function in &report.functions {
            for (labels, value) in values(function) {
                let function = &function.name;
                put(format_args!(
                    "{PREFIX}{name}{{function=\"{function}\"{labels}}} {value}"
                ));
            }
        }
    }
    latencies(report, &mut put);
    let lost = report.events_lost;
    put(format_args!(
        "# HELP {PREFIX}events_lost_total Events that the event file did not take."
    ));
    put(format_args!("# TYPE {PREFIX}events_lost_total counter"));
    put(format_args!("{PREFIX}events_lost_total {lost}"));
    text
}
