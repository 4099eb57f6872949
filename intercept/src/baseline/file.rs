//! The file of a baseline. It can also be an earlier JSON report.

use super::comparison::Line;
use crate::document::{Document, DocumentError};
use crate::expect::Model;
use crate::report::model::{CaseReport, Report, SCHEMA_VERSION};
use crate::report::words;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The part of a report that is compared. A whole report has all its keys, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Baseline {
    /// Version of the report format, 1.
    pub schema_version: u32,
    /// The origin of the baseline.
    pub environment: Origin,
    /// Name of the plan.
    pub plan: String,
    /// Seed of a random plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The model that the cases were compared with.
    pub expect: Model,
    pub cases: Vec<Line>,
}

/// The origin of a baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Origin {
    /// QEMU's version line.
    pub executor: String,
    pub host: String,
    pub profile: String,
}

impl From<&CaseReport> for Line {
    fn from(case: &CaseReport) -> Self {
        Self {
            id: case.id.clone(),
            label: case.label.clone(),
            verdicts: case.verdicts.clone(),
            guest: words::answer(case),
            answer: None,
        }
    }
}

impl Baseline {
    /// The part of `report` that is compared.
    pub(crate) fn of(report: &Report) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            environment: Origin {
                executor: report.environment.executor.clone(),
                host: report.environment.host.clone(),
                profile: report.environment.profile.clone(),
            },
            plan: report.plan.clone(),
            seed: report.seed,
            expect: report.expect,
            cases: report.cases.iter().map(Line::from).collect(),
        }
    }

    /// The baseline without the unwanted cases.
    pub(crate) fn restricted(&self, wanted: impl Fn(&str) -> bool) -> Self {
        let mut part = self.clone();
        part.cases.retain(|line| wanted(&line.id));
        part
    }

    /// Reads a baseline, or a report.
    ///
    /// # Errors
    /// A file that cannot be read or is neither.
    pub(crate) fn read(path: &Path) -> Result<Self, DocumentError> {
        let document = Document::new("baseline", path);
        let baseline: Self = document.read()?;
        let version = baseline.schema_version;
        if version != SCHEMA_VERSION {
            let reason = format!("is {version}, expected {SCHEMA_VERSION}");
            return Err(document.invalid("schema-version", reason));
        }
        Ok(baseline)
    }

    /// The baseline as JSON, one case on each line, so that a diff shows a change as one line.
    ///
    /// # Errors
    /// None that is known: the text is made in memory.
    pub(crate) fn to_json(&self) -> Result<String, serde_json::Error> {
        let head = Self {
            cases: Vec::new(),
            ..self.clone()
        };
        let head = serde_json::to_string_pretty(&head)?;
        let lines = self
            .cases
            .iter()
            .map(|line| Ok(format!("    {}", serde_json::to_string(line)?)))
            .collect::<Result<Vec<_>, serde_json::Error>>()?;
        let cases = format!("\"cases\": [\n{}\n  ]", lines.join(",\n"));
        Ok(head.replace("\"cases\": []", &cases) + "\n")
    }
}
