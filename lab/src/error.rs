//! The reason why there is no lab, or no more.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use harness::{NoPlugin, ServerError};
use thiserror::Error as ThisError;

use crate::kit::KitError;

/// The reason why the lab ends without having done its work. [`Error::is_usage`] tells a mistake of the user
/// from trouble with the run.
#[derive(Debug, ThisError)]
pub enum Error {
    /// The command line, or what it names.
    #[error("{0}")]
    Usage(String),
    /// The accelerator.
    #[error(transparent)]
    Accel(harness::AccelError),
    /// There is no QEMU.
    #[error("no QEMU")]
    NoQemu(#[source] debian_fetch::Error),
    /// The QEMU that was named by a word can be neither fetched nor built.
    #[error("no QEMU")]
    NoNamedQemu(#[source] qemu_zpci::BuildError),
    /// The guest's parts cannot be had.
    #[error("the guest's parts")]
    Kit(#[source] KitError),
    /// The plugin is not where it should be.
    #[error(transparent)]
    NoPlugin(#[from] NoPlugin),
    /// The server cannot be started.
    #[error(transparent)]
    NoServer(#[from] ServerError),
    /// A program cannot be started.
    #[error("cannot start {what} ({})", program.display())]
    CannotStart {
        /// The purpose of the program.
        what: String,
        /// The program.
        program: OsString,
        /// The system's error.
        source: io::Error,
    },
    /// The server ended.
    #[error("the server {how}, saying:\n{words}")]
    Server {
        /// The event.
        how: String,
        /// Its last words.
        words: String,
    },
    /// The server refused a request on its control socket.
    #[error("the control socket: {0}")]
    Control(String),
    /// The server's totals are not what a lab needs.
    #[error("{0}")]
    Report(String),
    /// A guest failed.
    #[error("guest {guest}: {how}{words}")]
    Guest {
        /// Its number.
        guest: usize,
        /// The event.
        how: String,
        /// The last words of QEMU and of the guest's console, each below a heading; may be empty.
        words: String,
    },
    /// A file or folder of the run.
    #[error("cannot {action} {}", path.display())]
    File {
        /// The attempted action.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Anything else of the system.
    #[error("cannot {what}")]
    System {
        /// The attempted action.
        what: &'static str,
        /// The reason.
        source: io::Error,
    },
}

impl Error {
    /// An [`Error::File`] from what was tried on `path`.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }

    /// An [`Error::System`] from what was tried.
    pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }

    /// Whether the user asked for something that cannot be had.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Usage(_) | Self::Kit(KitError::Own { .. }) => true,
            Self::Accel(error) => error.is_usage(),
            _ => false,
        }
    }
}
