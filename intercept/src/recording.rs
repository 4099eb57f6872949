//! A recorded run with everything that a verdict needs: the plan, the guest's results, the device's accesses.

mod piece;
mod stop;

pub use piece::{Access, Piece};
pub use stop::{Place, Stop};

use crate::document::{Document, DocumentError};
use crate::expect::model::Model;
use crate::lengths::fates::Lengths;
use crate::plan::{Announced, Plan};
use crate::probe::{FunctionFacts, Outcome};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The version of the recording format.
pub const SCHEMA_VERSION: u32 = 1;

fn is_zero(value: &u8) -> bool {
    *value == 0
}

/// The environment of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Environment {
    /// The program that executed the instructions: QEMU's version line, or the name of a stand-in.
    pub executor: String,
    /// Operating system, architecture and byte order of the host.
    pub host: String,
    /// The profile of the function.
    pub profile: String,
    /// Version of this tool.
    pub tool: String,
    /// The tested program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary: Option<Binary>,
}

/// A tested program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Binary {
    /// Path of its file.
    pub path: String,
    /// Its version line.
    pub version: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// The build id from its linker, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
}

/// The times of a run. Two equal runs differ only here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Times {
    /// Start of the run, in seconds since 1970.
    pub started: u64,
    /// From starting QEMU to the last result, in milliseconds.
    pub guest_ms: u64,
    /// Time of each case in microseconds, from the server's events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cases_us: Vec<u64>,
}

/// A step of the set-up, and its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SetupOutcome {
    /// The purpose of the step.
    pub name: String,
    /// Its outcome.
    pub outcome: Outcome,
}

/// One start of QEMU. If QEMU crashes or hangs, a plan needs several. The function is then again in the state
/// after the set-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Start {
    /// Index of the first case of this start.
    pub begin: usize,
    /// Number of the recording's accesses in this start.
    pub pieces: usize,
    /// The place and the way in which QEMU stopped. `None` if the plan ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<(Place, Stop)>,
}

/// The guest that executed the instructions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The probe, with fences between its cases.
    #[default]
    Probe,
    /// Another guest, observed by the plugin.
    Guest,
}

/// A recorded run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recording {
    /// Version of the format, 1.
    pub schema_version: u32,
    /// The guest that executed the instructions.
    #[serde(default)]
    pub source: Source,
    /// The environment of the run.
    pub environment: Environment,
    /// The times of the run.
    pub times: Times,
    /// The plan.
    pub plan: Plan,
    /// The model of the function, from its profile. The user can choose another one for the report.
    pub model: Model,
    /// The function's own longest block store, from its profile.
    #[serde(rename = "max-store-block")]
    pub maxstbl: u16,
    /// The facts that the function announces, from its profile.
    #[serde(default)]
    pub announced: Announced,
    /// The facts from CLP and the set-up.
    pub facts: FunctionFacts,
    /// The outcomes of the set-up's steps.
    pub setup: Vec<SetupOutcome>,
    /// The guest's outcomes, one for each case.
    pub outcomes: Vec<Outcome>,
    /// The starts of QEMU. Empty if there was a single one that executed the whole plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starts: Vec<Start>,
    /// Failed fences after the last case, one bit for each function that was disabled or in error.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub last_fences_failed: u8,
    /// The accesses that the devices saw, with the fences. Those of each function are in order.
    pub pieces: Vec<Piece>,
    /// The results of block stores of every length, if there was a second run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lengths: Option<Lengths>,
}

/// The cases and accesses of one start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span<'a> {
    /// Indices of the plan's cases.
    pub cases: std::ops::Range<usize>,
    /// Indices of the recording's pieces.
    pub pieces: std::ops::Range<usize>,
    /// The place and the way in which QEMU stopped, if it did.
    pub stopped: Option<&'a (Place, Stop)>,
}

impl Recording {
    /// The starts of QEMU, with the cases and accesses of each. Their cases together are the plan's.
    #[must_use]
    pub fn spans(&self) -> Vec<Span<'_>> {
        let count = self.plan.cases.len();
        if self.starts.is_empty() {
            return vec![Span {
                cases: 0..count,
                pieces: 0..self.pieces.len(),
                stopped: None,
            }];
        }
        let ends = self.starts.iter().skip(1).map(|start| start.begin);
        let mut piece = 0;
        self.starts
            .iter()
            .zip(ends.chain([count]))
            .map(|(start, end)| {
                let from = piece;
                piece += start.pieces;
                Span {
                    cases: start.begin..end,
                    pieces: from..piece,
                    stopped: start.stopped.as_ref(),
                }
            })
            .collect()
    }

    /// The way in which QEMU stopped at the case `index`, if it did.
    #[must_use]
    pub fn stop_at(&self, index: usize) -> Option<&Stop> {
        self.starts
            .iter()
            .filter_map(|start| start.stopped.as_ref())
            .find(|(place, _)| *place == Place::Case(index))
            .map(|(_, stop)| stop)
    }

    /// The accesses with these indices.
    #[must_use]
    pub(crate) fn pieces_at(&self, indices: &[usize]) -> Vec<&Piece> {
        let pieces = indices.iter();
        pieces.filter_map(|&index| self.pieces.get(index)).collect()
    }

    /// Reads a recording file.
    ///
    /// # Errors
    /// A file that cannot be read or is no recording.
    pub fn read(path: &Path) -> Result<Self, DocumentError> {
        let document = Document::new("recording", path);
        let recording: Self = document.read()?;
        let version = recording.schema_version;
        if version != SCHEMA_VERSION {
            let reason = format!("is {version}, expected {SCHEMA_VERSION}");
            return Err(document.invalid("schema-version", reason));
        }
        let (outcomes, cases) = (recording.outcomes.len(), recording.plan.cases.len());
        if outcomes != cases {
            let reason = format!("has {outcomes} entries for {cases} cases");
            return Err(document.invalid("outcomes", reason));
        }
        Ok(recording)
    }

    /// Writes the recording to a file.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), DocumentError> {
        let failed = |error| Document::new("recording", path).failed(error);
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(error.into()))?;
        std::fs::write(path, text + "\n").map_err(failed)
    }
}
