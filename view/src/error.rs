use std::io;
use std::path::{Path, PathBuf};

/// A reason why a session cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A line is neither an event nor a record.
    #[error("{}, line {line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The fault, and the expected value.
        reason: String,
    },
    /// The files are empty.
    #[error("{}: no events in it", path.display())]
    Empty {
        /// The first file.
        path: PathBuf,
    },
    /// An output is also an input or another output.
    #[error("{}: named twice, expected a file of its own for each output", path.display())]
    Twice {
        /// The output.
        path: PathBuf,
    },
    /// The session has more parts of some kind than a page can show.
    #[error("{what}: {count}, a page shows at most {most}")]
    TooMany {
        /// The kind.
        what: &'static str,
        /// Their number in the session.
        count: usize,
        /// Their most in a page.
        most: usize,
    },
}

impl Error {
    pub(crate) fn read(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read {
            path: path.clone(),
            source,
        }
    }

    pub(crate) fn write(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Write {
            path: path.clone(),
            source,
        }
    }

    /// Whether the command line, or a file that it names, is wrong.
    pub fn is_usage(&self) -> bool {
        !matches!(self, Error::Write { .. })
    }
}
