//! The report as facts. The renderers beside this file make text from them.

use super::difference::Difference;
use crate::baseline::comparison::Comparison;
use crate::expect::{Expectation, Model};
use crate::lengths::fates::Lengths;
use crate::plan::{Case, Instruction, hex};
use crate::probe::{FunctionFacts, Outcome};
use crate::recording::{
    Environment, Piece, Place, Recording, SetupOutcome, Source, Start, Stop, Times,
};
use crate::verdict::{CaseVerdict, Detail, Verdict};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The version of the report format.
pub const SCHEMA_VERSION: u32 = 1;

/// One case in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CaseReport {
    /// Name.
    pub id: String,
    /// Group.
    pub group: String,
    /// The instruction and its operands.
    #[serde(skip)]
    pub case: Case,
    /// The executed instruction.
    pub instruction: Instruction,
    /// Bytes to move.
    pub length: u64,
    /// All verdicts, the most important first.
    pub verdicts: Vec<Verdict>,
    /// The verdicts in one line, with the pieces of a split.
    pub label: String,
    /// Whether the case is as it should be.
    pub good: bool,
    /// The expected outcome.
    #[serde(skip)]
    pub expectation: Expectation,
    /// The guest's outcome.
    pub outcome: Outcome,
    /// The way in which QEMU stopped at the case, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stop>,
    /// The facts behind the verdicts. Empty for a good case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Detail>,
    /// The bytes that the guest stored. Empty for other instructions.
    #[serde(skip_serializing_if = "Vec::is_empty", with = "hex")]
    pub stored: Vec<u8>,
    /// The first byte that the device got differently from the guest's store.
    #[serde(skip)]
    pub difference: Option<Difference>,
    /// Offset of the access, with a DMB's token.
    pub offset: u64,
    /// The accesses that the device saw, in order.
    pub pieces: Vec<Piece>,
}

impl CaseReport {
    /// Whether the case was executed.
    pub fn ran(&self) -> bool {
        !self.verdicts.contains(&Verdict::NotRun)
    }
}

/// A report.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// The environment of the run.
    pub environment: Environment,
    /// Name of the plan.
    pub plan: String,
    /// The seed of a random plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The model of the function that the report assumes.
    pub expect: Model,
    /// The facts from CLP and the set-up.
    pub facts: FunctionFacts,
    /// The set-up.
    pub setup: Vec<SetupOutcome>,
    /// Number of cases with each verdict. A case with two verdicts counts for both.
    pub totals: BTreeMap<String, usize>,
    /// Number of cases that ran.
    pub ran: usize,
    /// Number of cases that ran and are as they should be.
    pub good: usize,
    /// The cases.
    #[serde(skip)]
    pub cases: Vec<CaseReport>,
    /// The starts of QEMU, if it crashed or the guest hung.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub starts: Vec<Start>,
    /// The results of block stores by length, from a second run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lengths: Option<Lengths>,
    /// The comparison with the baseline, if there is one.
    #[serde(skip)]
    pub comparison: Option<Comparison>,
    /// The device's accesses without an instruction of the observed guest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unaccounted: Vec<Piece>,
    /// The times of the run. Two equal runs differ only here.
    pub times: Times,
}

impl Report {
    /// The report of a classified recording.
    pub fn new(recording: &Recording, expect: Model, verdicts: &[CaseVerdict]) -> Self {
        let cases = recording
            .plan
            .cases
            .iter()
            .zip(&recording.outcomes)
            .zip(verdicts)
            .enumerate()
            .map(|(index, ((case, outcome), verdict))| {
                case_report(recording, index, case, outcome, verdict)
            })
            .collect();
        let mut report = Self {
            environment: recording.environment.clone(),
            plan: recording.plan.name.clone(),
            seed: recording.plan.seed,
            expect,
            facts: recording.facts.clone(),
            setup: recording.setup.clone(),
            totals: BTreeMap::new(),
            ran: 0,
            good: 0,
            cases,
            starts: recording.starts.clone(),
            lengths: recording.lengths.clone(),
            comparison: None,
            unaccounted: unaccounted(recording, verdicts),
            times: recording.times.clone(),
        };
        report.count();
        report
    }

    /// Keeps only the `wanted` cases, and counts again.
    pub fn retain(&mut self, wanted: impl Fn(&CaseReport) -> bool) {
        let kept: Vec<bool> = self.cases.iter().map(&wanted).collect();
        let mut keep = kept.iter();
        self.cases.retain(|_| keep.next().copied().unwrap_or(true));
        let mut keep = kept.iter();
        self.times
            .cases_us
            .retain(|_| keep.next().copied().unwrap_or(true));
        self.count();
    }

    fn count(&mut self) {
        self.totals.clear();
        for verdict in self.cases.iter().flat_map(|case| &case.verdicts) {
            *self.totals.entry(verdict.name().to_owned()).or_default() += 1;
        }
        let ran = || self.cases.iter().filter(|case| case.ran());
        (self.ran, self.good) = (ran().count(), ran().filter(|case| case.good).count());
    }

    /// Whether the report has a case with this name.
    pub fn has(&self, id: &str) -> bool {
        self.cases.iter().any(|case| case.id == id)
    }

    /// Whether every case is as it should be, and the set-up succeeded.
    pub fn is_good(&self) -> bool {
        self.ran == self.good && self.stopped_set_up().is_none()
    }

    /// The step of the set-up at which QEMU stopped, and the way, if it did.
    pub fn stopped_set_up(&self) -> Option<(&str, &Stop)> {
        self.starts
            .iter()
            .find_map(|start| match start.stopped.as_ref()? {
                (Place::Setup(step), stop) => Some((step.as_str(), stop)),
                (Place::Case(_), _) => None,
            })
    }

    /// Whether QEMU stopped and was not started again, so that cases remain.
    pub fn ended_early(&self) -> bool {
        let last = self.starts.last();
        let left = self.cases.last().is_some_and(|case| !case.ran());
        left && last.is_some_and(|start| start.stopped.is_some())
    }

    /// The time of the case at `index`, as far as its fences show it.
    pub fn case_time(&self, index: usize) -> Option<Duration> {
        let time = self.times.cases_us.get(index)?;
        Some(Duration::from_micros(*time))
    }

    /// Names of the refused steps of the set-up.
    pub fn refused_set_up(&self) -> Vec<&str> {
        self.setup
            .iter()
            .filter(|step| step.outcome.executed && !step.outcome.succeeded())
            .map(|step| step.name.as_str())
            .collect()
    }

    /// Names of the groups, in the order of the plan.
    pub fn groups(&self) -> Vec<&str> {
        let mut groups: Vec<&str> = Vec::new();
        for case in &self.cases {
            if !groups.contains(&case.group.as_str()) {
                groups.push(&case.group);
            }
        }
        groups
    }

    /// The number of cases of a group that ran, and the number of good ones.
    pub(super) fn tally(&self, group: &str) -> (usize, usize) {
        let ran = || self.of_group(group).filter(|case| case.ran());
        (ran().count(), ran().filter(|case| case.good).count())
    }

    /// The cases of a group, in the order of the plan.
    pub fn of_group<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a CaseReport> {
        self.cases.iter().filter(move |case| case.group == group)
    }
}

/// The probe's set-up gets no verdict, so its accesses do not count either.
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
    index: usize,
    case: &Case,
    outcome: &Outcome,
    verdict: &CaseVerdict,
) -> CaseReport {
    let seen = verdict.expectation.seen.as_ref();
    let pieces = recording.pieces_at(&verdict.pieces).into_iter();
    let pieces: Vec<Piece> = pieces.cloned().collect();
    let stored = seen.map(|seen| seen.bytes.clone()).unwrap_or_default();
    let offset = seen.map_or(case.offset, |seen| seen.offset);
    CaseReport {
        id: case.id.clone(),
        group: case.group.clone(),
        case: case.clone(),
        instruction: case.instruction,
        length: case.length,
        verdicts: verdict.verdicts.clone(),
        label: verdict.label(),
        good: verdict.is_good(),
        expectation: verdict.expectation.clone(),
        outcome: outcome.clone(),
        stopped: recording.stop_at(index).cloned(),
        details: verdict.details.clone(),
        difference: Difference::first(case, offset, &stored, &pieces)
            .filter(|_| !verdict.is_good()),
        stored,
        offset,
        pieces,
    }
}
