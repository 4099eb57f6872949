//! The reasons why a lab cannot start or go on.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use harness::{NoPlugin, ServerError};
use thiserror::Error as ThisError;

use crate::kit::KitError;

/// A reason why the lab failed. [`Error::is_usage`] is true for a mistake of the user.
#[derive(Debug, ThisError)]
pub enum Error {
    /// The command line, or a file that it names, is wrong.
    #[error("{0}")]
    Usage(String),
    /// The accelerator of `--accel` cannot be used.
    #[error(transparent)]
    Accel(harness::AccelError),
    /// There is no QEMU.
    #[error("cannot find or fetch a QEMU")]
    NoQemu(#[source] debian_fetch::Error),
    /// The QEMU that a word names cannot be fetched or built.
    #[error("cannot fetch or build the QEMU")]
    NoNamedQemu(#[source] qemu_zpci::BuildError),
    /// The guest's kernel, modules or programs cannot be fetched or built.
    #[error("cannot prepare the guest's kernel and programs")]
    Kit(#[source] KitError),
    /// The plugin's file is missing.
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
        /// The last lines of its log.
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
        /// Number of the guest.
        guest: usize,
        /// The event.
        how: String,
        /// The last lines of QEMU's log and of the guest's console, each below a heading. May be empty.
        words: String,
    },
    /// A file or folder of the run cannot be used.
    #[error("cannot {action} {}", path.display())]
    File {
        /// The attempted action.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Another system call failed.
    #[error("cannot {what}")]
    System {
        /// The attempted action.
        what: &'static str,
        /// The reason.
        source: io::Error,
    },
}

/// A failed step of a scenario keeps the message of the error.
impl From<Error> for String {
    fn from(error: Error) -> Self {
        error.to_string()
    }
}

impl Error {
    /// Makes an [`Error::File`] about an action on `path`.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }

    /// Makes an [`Error::System`] about an action.
    pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }

    /// Whether the user made a mistake.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Usage(_) | Self::Kit(KitError::Own { .. }) => true,
            Self::Accel(error) => error.is_usage(),
            _ => false,
        }
    }
}
