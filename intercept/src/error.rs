//! The reason why there is no report.

use crate::attribute::FenceError;
use crate::document::DocumentError;
use crate::probe::{ImageError, ResultsError};
use crate::qemu::{GuestError, LocateError};
use crate::select::SelectError;
use harness::{NoPlugin, ServerError};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The reason why there is no report. [`Error::is_usage`] tells a mistake of the user from trouble with the run.
#[derive(Debug, Error)]
pub enum Error {
    /// A plan, profile, recording or baseline.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A folder of baselines in which none fits.
    #[error(
        "baseline {}: no baseline in this folder comes from a host like this one ({host}); it has: {}",
        path.display(),
        if there.is_empty() { "nothing".into() } else { there.join(", ") }
    )]
    NoBaselineOfHost {
        /// The folder.
        path: PathBuf,
        /// This run's host.
        host: String,
        /// The files, with their hosts.
        there: Vec<String>,
    },
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
    /// The server's event file or the plugin's records.
    #[error(transparent)]
    Records(DocumentError),
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
    /// Turns an error of the system into one of this file or folder.
    pub(crate) fn file(path: &Path) -> impl Fn(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            path: path.clone(),
            source,
        }
    }

    /// Whether the user named something that cannot be used: plan, profile, recording or baseline.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        if let Self::Accel(error) = self {
            return error.is_usage();
        }
        matches!(
            self,
            Self::Document(_)
                | Self::NoBaselineOfHost { .. }
                | Self::Select(_)
                | Self::Several(_)
                | Self::NoBaseline
                | Self::WriteIntoFolder(_)
                | Self::Image(ImageError::TooLarge { .. })
        )
    }
}
