//! The reasons why there is no report.

use crate::attribute::FenceError;
use crate::document::DocumentError;
use crate::probe::{ImageError, ResultsError};
use crate::qemu::{GuestError, LocateError};
use crate::select::SelectError;
use harness::{NoPlugin, ServerError};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A reason why there is no report. [`Error::is_usage`] is true for a mistake of the user.
#[derive(Debug, Error)]
pub enum Error {
    /// A plan, profile, recording or baseline cannot be used.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// No baseline of a folder fits.
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
    /// A value of `--only` or `--skip` is wrong.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// These flags need a single QEMU.
    #[error("{0} takes one QEMU or recording, and several are named")]
    Several(&'static str),
    /// A flag needs a baseline, but there is none.
    #[error("--fail-on changed and worse compare with a baseline: name one with --baseline")]
    NoBaseline,
    /// `--write-baseline` was given with a folder. It needs a file.
    #[error("--write-baseline writes a file, and --baseline {} is a folder", .0.display())]
    WriteIntoFolder(PathBuf),
    /// The probe could not be made.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// There is no usable QEMU.
    #[error(transparent)]
    Qemu(#[from] LocateError),
    /// The accelerator cannot be used.
    #[error(transparent)]
    Accel(#[from] harness::AccelError),
    /// The plugin's file is missing.
    #[error(transparent)]
    NoPlugin(#[from] NoPlugin),
    /// The plugin did not list its defects.
    #[error("the plugin did not list its defects: {0}")]
    NoList(String),
    /// The server's event file or the plugin's records cannot be read.
    #[error(transparent)]
    Records(DocumentError),
    /// The server could not start.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The guest gave no results.
    #[error(transparent)]
    Guest(#[from] GuestError),
    /// The results in the guest's memory cannot be read.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// The guest ended before the end of its plan.
    #[error("{0}")]
    Probe(String),
    /// No instruction was executed, so none can be as it should be.
    #[error("no instruction was executed, so nothing was tested")]
    NothingRan,
    /// The fences do not match.
    #[error(transparent)]
    Fence(#[from] FenceError),
    /// A file or folder of the run cannot be used.
    #[error("{}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The JUnit report cannot be written.
    #[error("the report cannot be written as JUnit XML")]
    Junit(#[from] quick_junit::SerializeError),
    /// The JSON report cannot be written.
    #[error("plan or report cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    /// Standard output cannot be written.
    #[error("cannot write the report")]
    Output(#[source] std::io::Error),
}

impl Error {
    /// Makes an error about this file or folder.
    pub(crate) fn file(path: &Path) -> impl Fn(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            path: path.clone(),
            source,
        }
    }

    /// Whether the user named an unusable plan, profile, recording or baseline.
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
