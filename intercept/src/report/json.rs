//! The report as JSON. Two equal runs give the same, apart from `times`.

use super::difference::Difference;
use super::model::{CaseReport, Report, SCHEMA_VERSION};
use super::words;
use serde::Serialize;

/// A case, with its facts as text.
#[derive(Serialize)]
struct JsonCase<'a> {
    #[serde(flatten)]
    case: &'a CaseReport,
    operation: String,
    expected: String,
    guest: String,
    answer: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<JsonDifference>,
}

#[derive(Serialize)]
struct JsonDifference {
    #[serde(flatten)]
    difference: Difference,
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct JsonReport<'a> {
    schema_version: u32,
    #[serde(flatten)]
    report: &'a Report,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<Vec<JsonChange<'a>>>,
    cases: Vec<JsonCase<'a>>,
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
        case,
        operation: words::operation(&case.case),
        expected: case.expectation.describe(),
        guest: words::guest(case),
        answer: words::answer(case),
        detail: words::facts(&case.details),
        difference: case.difference.map(|difference| JsonDifference {
            difference,
            text: difference.to_string(),
        }),
    }
}

fn json_report(report: &Report) -> JsonReport<'_> {
    JsonReport {
        schema_version: SCHEMA_VERSION,
        report,
        causes: words::causes(report),
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
        cases: report.cases.iter().map(json_case).collect(),
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
