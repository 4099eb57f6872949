//! Tables and JSON.

use comfy_table::{Table, presets};

use crate::args::Format;
use crate::measure::{Ratio, Target};
use crate::plan::Results;

/// Everything, as text.
pub(crate) fn render(results: &Results, format: Format) -> String {
    match format {
        Format::Table => tables(results),
        Format::Json => {
            serde_json::to_string_pretty(results).expect("plain data can be written") + "\n"
        }
    }
}

fn tables(results: &Results) -> String {
    let mut times = table(&["row", "server", "median us", "best us", "per second"]);
    for time in &results.times {
        times.add_row([
            time.row.clone(),
            time.server.to_owned(),
            format!("{:.2}", time.median_ns / 1e3),
            format!("{:.2}", time.best_ns / 1e3),
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
    format!("{times}\n\n{ratios}\n\n{facts}\n")
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
