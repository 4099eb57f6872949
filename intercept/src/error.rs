//! The reason why there is no report.

use crate::attribute::FenceError;
use crate::baseline::BaselineError;
use crate::events::EventsError;
use crate::observed::ObservedError;
use crate::plan::load::PlanError;
use crate::probe::{ImageError, ResultsError};
use crate::profile::ProfileError;
use crate::qemu::{GuestError, LocateError};
use crate::recording::RecordingError;
use crate::select::SelectError;
use harness::{NoPlugin, ServerError};
use std::path::PathBuf;
use thiserror::Error;

/// The reason why there is no report. [`Error::is_usage`] tells a mistake of the user from trouble with the run.
#[derive(Debug, Error)]
pub enum Error {
    /// The plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A recording.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// A baseline.
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    /// `--only` or `--skip`.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// Flags that need a single QEMU.
    #[error("{0} takes one QEMU or recording, and several are named")]
    Several(&'static str),
    /// A comparison that has nothing to compare with.
    #[error("--fail-on changed and worse compare with a baseline: name one with --baseline")]
    NoBaseline,
    /// `--write-baseline` with a folder, in which no file is meant.
    #[error("--write-baseline writes a file, and --baseline {} is a folder", .0.display())]
    WriteIntoFolder(PathBuf),
    /// The probe.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// QEMU.
    #[error(transparent)]
    Qemu(#[from] LocateError),
    /// The accelerator.
    #[error(transparent)]
    Accel(#[from] harness::AccelError),
    /// The plugin is not where it should be.
    #[error(transparent)]
    NoPlugin(#[from] NoPlugin),
    /// The plugin did not list its defects.
    #[error("the plugin did not list its defects: {0}")]
    NoList(String),
    /// The plugin's records.
    #[error(transparent)]
    Observed(#[from] ObservedError),
    /// The server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The guest.
    #[error(transparent)]
    Guest(#[from] GuestError),
    /// Reads the results that the guest left in memory.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// The guest ended, but not because its plan did.
    #[error("{0}")]
    Probe(String),
    /// The event file.
    #[error(transparent)]
    Events(#[from] EventsError),
    /// Fences.
    #[error(transparent)]
    Fence(#[from] FenceError),
    /// A file or folder of the run.
    #[error("{}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// JUnit.
    #[error("the report cannot be written as JUnit XML")]
    Junit(#[from] quick_junit::SerializeError),
    /// JSON.
    #[error("plan or report cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    /// Standard output.
    #[error("cannot write the report")]
    Output(#[source] std::io::Error),
}

impl Error {
    /// Whether the user named something that cannot be used: plan, profile, recording or baseline.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        if let Self::Accel(error) = self {
            return error.is_usage();
        }
        matches!(
            self,
            Self::Plan(_)
                | Self::Profile(_)
                | Self::Recording(_)
                | Self::Baseline(_)
                | Self::Select(_)
                | Self::Several(_)
                | Self::NoBaseline
                | Self::WriteIntoFolder(_)
                | Self::Image(ImageError::TooLarge { .. })
        )
    }
}
