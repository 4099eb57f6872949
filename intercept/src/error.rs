//! Why there is no report.

use crate::attribute::FenceError;
use crate::events::EventsError;
use crate::observed::ObservedError;
use crate::plan::PlanError;
use crate::probe::{ImageError, ResultsError};
use crate::profile::ProfileError;
use crate::qemu::{GuestError, QemuError};
use crate::recording::RecordingError;
use crate::report::ReportError;
use crate::server::ServerError;
use std::path::PathBuf;
use thiserror::Error;

/// Why there is no report. [`Error::is_usage`] tells a mistake of the user from trouble with the run.
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
    /// A report or baseline.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The probe.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// QEMU.
    #[error(transparent)]
    Qemu(#[from] QemuError),
    /// The plugin is not where it should be.
    #[error(
        "no plugin {}: build it with `cargo build --release -p vfio-user-ism-plugin`, or name it with --plugin",
        path.display()
    )]
    NoPlugin {
        /// Where it was looked for.
        path: PathBuf,
        /// Why it cannot be used.
        source: std::io::Error,
    },
    /// What the plugin wrote down.
    #[error(transparent)]
    Observed(#[from] ObservedError),
    /// There is no QEMU.
    #[error("no QEMU to test")]
    NoQemu(#[source] debian_fetch::Error),
    /// The server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The guest.
    #[error(transparent)]
    Guest(#[from] GuestError),
    /// What the guest left in memory.
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
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// JUnit.
    #[error("the report cannot be written as JUnit XML")]
    Junit(#[from] quick_junit::SerializeError),
    /// Standard output.
    #[error("cannot write the report")]
    Output(#[source] std::io::Error),
}

impl Error {
    /// Whether the user named something that cannot be used: plan, profile, recording or baseline.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Plan(_)
                | Self::Profile(_)
                | Self::Recording(_)
                | Self::Report(_)
                | Self::Image(ImageError::TooLarge { .. })
        )
    }
}
