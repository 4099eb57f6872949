//! Renders the report as text for people, or as JSON.

use std::fmt::Write;

use crate::args::Format;
use crate::report::{Report, State, Topic};

pub(crate) fn render(report: &Report, format: Format) -> String {
    match format {
        Format::Text => text(report),
        Format::Json => json(report),
    }
}

fn json(report: &Report) -> String {
    let value = serde_json::to_value(report);
    // The report has only strings, numbers and lists, so this cannot fail.
    value.map_or_else(|error| error.to_string(), |value| format!("{value:#}\n"))
}

fn text(report: &Report) -> String {
    let mut text = format!("vfio-user-ism {}, {}\n", report.version, report.host);
    for (topic, title) in [
        (Topic::Qemu, "QEMU"),
        (Topic::Plugin, "Plugin"),
        (Topic::Cache, "Cache"),
        (Topic::Host, "Host"),
    ] {
        let _ = writeln!(text, "\n{title}");
        for finding in report.findings.iter().filter(|one| one.topic == topic) {
            let state = match finding.state {
                State::Good => "good",
                State::Note => "note",
                State::Missing => "LACK",
            };
            let _ = writeln!(text, "  {state}  {}", finding.text);
            if let Some(remedy) = &finding.remedy {
                let _ = writeln!(text, "        fix: {remedy}");
            }
        }
    }
    text.push('\n');
    for one in &report.uses {
        let lacks = one.lacks.join("; ");
        let state = if one.possible {
            "can start".to_owned()
        } else {
            format!("not ready: {lacks}")
        };
        let _ = writeln!(text, "{:<10} {state}", one.name);
    }
    text
}
