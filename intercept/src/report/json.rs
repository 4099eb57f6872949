//! The report as JSON. It is the same for two equal runs, apart from `times`.

use super::model::{CaseReport, Report, SCHEMA_VERSION};
use super::words;
use crate::expect::Model;
use crate::plan::Instruction;
use crate::plan::hex;
use crate::probe::{FunctionFacts, Outcome};
use crate::recording::{Environment, Piece, SetupOutcome, Start, Stop, Times};
use crate::verdict::{Detail, Verdict};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct JsonCase<'a> {
    id: &'a str,
    group: &'a str,
    operation: String,
    instruction: Instruction,
    length: u64,
    verdicts: &'a [Verdict],
    label: &'a str,
    good: bool,
    expected: String,
    guest: String,
    answer: String,
    outcome: &'a Outcome,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    #[serde(skip_serializing_if = "<[Detail]>::is_empty")]
    details: &'a [Detail],
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<JsonDifference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<&'a Stop>,
    #[serde(skip_serializing_if = "String::is_empty")]
    stored: String,
    offset: u64,
    pieces: &'a [Piece],
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct JsonDifference {
    first: u64,
    stored: u8,
    arrived: Option<u8>,
    count: u64,
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct JsonReport<'a> {
    schema_version: u32,
    environment: &'a Environment,
    plan: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    expect: Model,
    facts: &'a FunctionFacts,
    setup: &'a [SetupOutcome],
    totals: &'a BTreeMap<String, usize>,
    ran: usize,
    good: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lengths: Option<&'a crate::lengths::fates::Lengths>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<Vec<JsonChange<'a>>>,
    #[serde(skip_serializing_if = "<[Start]>::is_empty")]
    starts: &'a [Start],
    cases: Vec<JsonCase<'a>>,
    #[serde(skip_serializing_if = "<[Piece]>::is_empty")]
    unaccounted: &'a [Piece],
    times: &'a Times,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct JsonChange<'a> {
    id: &'a str,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<&'a str>,
}

fn json_case(case: &CaseReport) -> JsonCase<'_> {
    JsonCase {
        id: &case.id,
        group: &case.group,
        operation: words::operation(&case.case),
        instruction: case.instruction,
        length: case.length,
        verdicts: &case.verdicts,
        label: &case.label,
        good: case.good,
        expected: case.expectation.describe(),
        guest: words::guest(case),
        answer: words::answer(case),
        outcome: &case.outcome,
        detail: words::facts(&case.details),
        details: &case.details,
        difference: case.difference.map(|difference| JsonDifference {
            first: difference.at,
            stored: difference.stored,
            arrived: difference.arrived,
            count: difference.count,
            text: difference.to_string(),
        }),
        stopped: case.stopped.as_ref(),
        stored: hex::encode(&case.stored),
        offset: case.offset,
        pieces: &case.pieces,
    }
}

fn json_report(report: &Report) -> JsonReport<'_> {
    JsonReport {
        schema_version: SCHEMA_VERSION,
        environment: &report.environment,
        plan: &report.plan,
        seed: report.seed,
        expect: report.expect,
        facts: &report.facts,
        setup: &report.setup,
        totals: &report.totals,
        ran: report.ran,
        good: report.good,
        causes: words::causes(report),
        lengths: report.lengths.as_ref(),
        comparison: report.comparison.as_ref().map(|comparison| {
            comparison
                .changes
                .iter()
                .map(|change| JsonChange {
                    id: &change.id,
                    kind: change.kind.name(),
                    before: change.before.as_ref().map(|line| line.label.as_str()),
                    now: change.now.as_ref().map(|line| line.label.as_str()),
                })
                .collect()
        }),
        starts: &report.starts,
        cases: report.cases.iter().map(json_case).collect(),
        unaccounted: &report.unaccounted,
        times: &report.times,
    }
}

/// One report, or several as `{"schema-version": 1, "reports": [...]}`.
///
/// # Errors
/// None that is known: the text is made in memory.
pub fn json(reports: &[Report]) -> Result<String, serde_json::Error> {
    let text = match reports {
        [report] => serde_json::to_string_pretty(&json_report(report))?,
        several => {
            let reports: Vec<JsonReport<'_>> = several.iter().map(json_report).collect();
            serde_json::to_string_pretty(&serde_json::json!({
                "schema-version": SCHEMA_VERSION,
                "reports": reports,
            }))?
        }
    };
    Ok(text + "\n")
}
