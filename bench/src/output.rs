//! Writes the results as tables or JSON.

use comfy_table::{Table, presets};

use crate::args::Format;
use crate::measure::{Ratio, Target};
use crate::plan::Results;

/// Returns all results as text.
pub(crate) fn render(results: &Results, format: Format) -> String {
    match format {
        Format::Table => tables(results),
        Format::Json => {
            serde_json::to_string_pretty(results).expect("plain data can be written") + "\n"
        }
    }
}

fn tables(results: &Results) -> String {
    let mut times = table(&[
        "row",
        "server",
        "median us",
        "best us",
        "p50 us",
        "p99 us",
        "p99.9 us",
        "per second",
    ]);
    for time in &results.times {
        times.add_row([
            time.row.clone(),
            time.server.to_owned(),
            format!("{:.2}", time.median_ns / 1e3),
            format!("{:.2}", time.best_ns / 1e3),
            format!("{:.2}", time.p50_ns / 1e3),
            format!("{:.2}", time.p99_ns / 1e3),
            format!("{:.2}", time.p999_ns / 1e3),
            format!("{:.0}", time.per_second),
        ]);
    }
    let mut ratios = table(&["row", "of", "against", "ratio", "target", ""]);
    for ratio in &results.ratios {
        ratios.add_row([
            ratio.row.clone(),
            ratio.of.to_owned(),
            ratio.against.to_owned(),
            value(ratio),
            target(ratio),
            verdict(ratio.met).to_owned(),
        ]);
    }
    let mut facts = table(&["what", "value", "at most", ""]);
    for fact in &results.facts {
        facts.add_row([
            fact.name.to_owned(),
            format!("{:.1} {}", fact.value, fact.unit),
            format!("{:.1} {}", fact.at_most, fact.unit),
            verdict(Some(fact.met)).to_owned(),
        ]);
    }
    let mut text = format!("{}\n\n{times}\n\n{ratios}\n\n{facts}\n", results.scheduling);
    if let Some(changes) = &results.changes {
        let mut table = table(&["row", "what", "unit", "before", "now", "change"]);
        for change in changes {
            table.add_row([
                change.row.clone(),
                change.what.clone(),
                change.unit.to_owned(),
                format!("{:.2}", change.before),
                format!("{:.2}", change.now),
                format!("{:+.1} %", (change.now / change.before - 1.0) * 100.0),
            ]);
        }
        text.push_str(&format!("\n{table}\n"));
    }
    text
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::ASCII_MARKDOWN)
        .set_header(header.to_vec());
    table
}

fn value(ratio: &Ratio) -> String {
    match ratio.target {
        Some(Target::CostAtMost(_)) => format!("{:+.1} %", ratio.cost * 100.0),
        _ => format!("{:.2}", ratio.ratio),
    }
}

fn target(ratio: &Ratio) -> String {
    match ratio.target {
        Some(Target::AtLeast(least)) => format!("at least {least:.2}"),
        Some(Target::CostAtMost(most)) => format!("at most {:.0} %", most * 100.0),
        None => String::new(),
    }
}

fn verdict(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => "met",
        Some(false) => "missed",
        None => "",
    }
}
