//! The report as data; its JSON form is the same for two equal runs, apart from `times`.

use crate::expect::{Model, exception_name};
use crate::plan::{Base, Case, Handle, Instruction};
use crate::probe::{FunctionFacts, Outcome};
use crate::recording::{
    Environment, Piece, Place, Recording, SetupOutcome, Source, Start, Stop, Times,
};
use crate::verdict::{CaseVerdict, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The version of the report format.
pub const SCHEMA_VERSION: u32 = 1;

/// Why a report cannot be read or written.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The file cannot be read or written.
    #[error("report {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no report.
    #[error("report {}: at {key}: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Path of the key.
        key: String,
        /// What is wrong.
        reason: String,
    },
}

/// One case in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CaseReport {
    /// Name.
    pub id: String,
    /// Group.
    pub group: String,
    /// Instruction and operands, in one line.
    pub operation: String,
    /// What was executed.
    pub instruction: Instruction,
    /// Bytes to move.
    pub length: u64,
    /// All that became of it.
    pub verdicts: Vec<Verdict>,
    /// The same in one line, with the pieces of a split.
    pub label: String,
    /// Whether all is as it should be.
    pub good: bool,
    /// What should have happened.
    pub expected: String,
    /// What the guest got, in words.
    pub guest: String,
    /// What is wrong, in words; empty if nothing is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Bytes the guest stored, hexadecimal; empty for others.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stored: String,
    /// Offset of the access, a DMB's token included.
    pub offset: u64,
    /// What the device saw, in order.
    pub pieces: Vec<Piece>,
}

/// A report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Report {
    /// Version of the format, 1.
    pub schema_version: u32,
    /// Where it took place.
    pub environment: Environment,
    /// Name of the plan.
    pub plan: String,
    /// Seed of a random plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// What it was measured against.
    pub expect: Model,
    /// What CLP and the set-up told.
    pub facts: FunctionFacts,
    /// The set-up.
    pub setup: Vec<SetupOutcome>,
    /// Cases with each verdict; one with two verdicts counts for both.
    pub totals: BTreeMap<String, usize>,
    /// Cases that ran, and those of them that are as they should be.
    pub ran: usize,
    /// See above.
    pub good: usize,
    /// The cases.
    pub cases: Vec<CaseReport>,
    /// The starts of QEMU, if it crashed or the guest hung.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starts: Vec<Start>,
    /// Accesses of the device that no instruction of an observed guest accounts for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unaccounted: Vec<Piece>,
    /// When, and how long: the only part that differs between two equal runs.
    pub times: Times,
}

impl Report {
    /// The report of a classified recording.
    #[must_use]
    pub fn new(recording: &Recording, expect: Model, verdicts: &[CaseVerdict]) -> Self {
        let cases: Vec<CaseReport> = recording
            .plan
            .cases
            .iter()
            .zip(&recording.outcomes)
            .zip(verdicts)
            .map(|((case, outcome), verdict)| case_report(recording, case, outcome, verdict))
            .collect();
        let mut totals: BTreeMap<String, usize> = BTreeMap::new();
        for verdict in cases.iter().flat_map(|case| &case.verdicts) {
            *totals.entry(verdict.name().to_owned()).or_default() += 1;
        }
        let ran = |case: &&CaseReport| !case.verdicts.contains(&Verdict::NotRun);
        Self {
            schema_version: SCHEMA_VERSION,
            environment: recording.environment.clone(),
            plan: recording.plan.name.clone(),
            seed: recording.plan.seed,
            expect,
            facts: recording.facts.clone(),
            setup: recording.setup.clone(),
            totals,
            ran: cases.iter().filter(ran).count(),
            good: cases.iter().filter(ran).filter(|case| case.good).count(),
            cases,
            starts: recording.starts.clone(),
            unaccounted: unaccounted(recording, verdicts),
            times: recording.times,
        }
    }

    /// Whether every case is as it should be, and the set-up was done.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.ran == self.good && self.stopped_set_up().is_none()
    }

    /// The step of the set-up at which QEMU stopped, and how, if it did.
    #[must_use]
    pub fn stopped_set_up(&self) -> Option<(&str, &Stop)> {
        self.starts
            .iter()
            .find_map(|start| match start.stopped.as_ref()? {
                (Place::Setup(step), stop) => Some((step.as_str(), stop)),
                (Place::Case(_), _) => None,
            })
    }

    /// The report as JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Reads a report that [`Report::to_json`] wrote.
    ///
    /// # Errors
    /// See [`ReportError`].
    pub fn read(path: &Path) -> Result<Self, ReportError> {
        let text = std::fs::read_to_string(path).map_err(|source| ReportError::File {
            path: path.to_owned(),
            source,
        })?;
        let mut json = serde_json::Deserializer::from_str(&text);
        serde_path_to_error::deserialize(&mut json).map_err(|error| ReportError::Invalid {
            path: path.to_owned(),
            key: error.path().to_string(),
            reason: error.inner().to_string(),
        })
    }

    /// Names of the groups, in the order of the plan.
    #[must_use]
    pub fn groups(&self) -> Vec<&str> {
        let mut groups: Vec<&str> = Vec::new();
        for case in &self.cases {
            if !groups.contains(&case.group.as_str()) {
                groups.push(&case.group);
            }
        }
        groups
    }
}

/// The probe's set-up is not judged, so its accesses are not counted either.
fn unaccounted(recording: &Recording, verdicts: &[CaseVerdict]) -> Vec<Piece> {
    if recording.source == Source::Probe {
        return Vec::new();
    }
    let owned: BTreeSet<usize> = verdicts
        .iter()
        .flat_map(|verdict| verdict.pieces.iter().copied())
        .collect();
    let pieces = recording.pieces.iter().enumerate();
    pieces
        .filter(|(index, _)| !owned.contains(index))
        .map(|(_, piece)| piece.clone())
        .collect()
}

fn case_report(
    recording: &Recording,
    case: &Case,
    outcome: &Outcome,
    verdict: &CaseVerdict,
) -> CaseReport {
    let seen = verdict.expectation.seen.as_ref();
    CaseReport {
        id: case.id.clone(),
        group: case.group.clone(),
        operation: operation(case),
        instruction: case.instruction,
        length: case.length,
        verdicts: verdict.verdicts.clone(),
        label: verdict.label(),
        good: verdict.is_good(),
        expected: verdict.expectation.describe(),
        guest: if verdict.stopped() {
            "no answer".into()
        } else {
            guest(case, outcome)
        },
        detail: verdict.detail.clone(),
        stored: seen
            .map(|seen| crate::plan::hex::encode(&seen.bytes))
            .unwrap_or_default(),
        offset: seen.map_or(case.offset, |seen| seen.offset),
        pieces: verdict
            .pieces
            .iter()
            .filter_map(|&index| recording.pieces.get(index))
            .cloned()
            .collect(),
    }
}

/// The instruction and its operands in one line.
fn operation(case: &Case) -> String {
    let name = case.instruction.name().to_uppercase();
    let space = match (case.space, case.base) {
        (15, _) => "config".to_owned(),
        (_, Base::Dmb) => "DMB".to_owned(),
        (space, Base::Space) => format!("BAR {space}"),
    };
    let mut line = match case.instruction {
        Instruction::Pcistb | Instruction::Pcistg | Instruction::Pcilg => {
            format!(
                "{name} {space} offset {:#x} length {}",
                case.offset, case.length
            )
        }
        Instruction::Rpcit => format!("{name} start {:#x} length {:#x}", case.offset, case.length),
        Instruction::Mpcifc => format!("{name} operation {}", case.operation),
        Instruction::Pcistbi | Instruction::Pcistgi | Instruction::Pcilgi => {
            format!("{name} length {}", case.length)
        }
        Instruction::Pciwb => name,
    };
    if case.source != 0 {
        line.push_str(&format!(" from page offset {:#x}", case.source));
    }
    match case.handle {
        Handle::Enabled => {}
        Handle::Disabled => line.push_str(", disabled handle"),
        Handle::Unknown => line.push_str(", unknown handle"),
        Handle::Zero => line.push_str(", handle 0"),
    }
    if case.odd_register {
        line.push_str(", odd register");
    }
    line
}

/// What the guest got, in words.
fn guest(case: &Case, outcome: &Outcome) -> String {
    if !outcome.executed {
        return "not executed".into();
    }
    let mut line = match outcome.exception {
        Some(code) => exception_name(code),
        None if outcome.condition == 1 => format!("cc 1 status {}", outcome.status),
        None => format!("cc {}", outcome.condition),
    };
    if outcome.succeeded() && case.instruction == Instruction::Pcilg {
        let digits = usize::try_from(case.length.min(8)).unwrap_or(8) * 2;
        line.push_str(&format!(", loaded 0x{:0digits$x}", outcome.loaded));
    }
    if outcome.interrupts > 0 {
        line.push_str(&format!(
            ", adapter interrupt {:#010x}",
            outcome.interrupt_word
        ));
    }
    line
}
