//! JSON files: those that people hand to the tool, and those that server and plugin write of a run.

use serde::de::DeserializeOwned;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The reason why a file cannot be used.
#[derive(Debug, Error)]
pub enum DocumentError {
    /// The file cannot be read or written.
    #[error("{what} {}", path.display())]
    File {
        /// The kind of file.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file is not of the expected form.
    #[error("{what} {}{place}: {reason}", path.display())]
    Invalid {
        /// The kind of file.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The key or the line, with the words before it.
        place: String,
        /// The fault, and the expected value.
        reason: String,
    },
}

/// A file of one kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Document<'a> {
    /// The kind, for errors.
    what: &'static str,
    path: &'a Path,
}

impl<'a> Document<'a> {
    pub(crate) const fn new(what: &'static str, path: &'a Path) -> Self {
        Self { what, path }
    }

    /// An error of the system, as one of this file.
    pub(crate) fn failed(&self, source: io::Error) -> DocumentError {
        let (what, path) = (self.what, self.path.to_owned());
        DocumentError::File { what, path, source }
    }

    /// A fault at the key with this path, as in `cases[3].length`.
    pub(crate) fn invalid(&self, key: &str, reason: String) -> DocumentError {
        self.fault(format!(": at {key}"), reason)
    }

    fn fault(&self, place: String, reason: String) -> DocumentError {
        DocumentError::Invalid {
            what: self.what,
            path: self.path.to_owned(),
            place,
            reason,
        }
    }

    /// Reads the file as one value.
    ///
    /// # Errors
    /// A file that cannot be read or has another form.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, DocumentError> {
        let text = std::fs::read_to_string(self.path).map_err(|error| self.failed(error))?;
        self.parse(&text)
    }

    /// Parses the text of the file.
    ///
    /// # Errors
    /// Text of another form.
    pub(crate) fn parse<T: DeserializeOwned>(&self, text: &str) -> Result<T, DocumentError> {
        let mut json = serde_json::Deserializer::from_str(text);
        serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let key = match error.path().to_string() {
                top if top == "." => "the top level".to_owned(),
                key => key,
            };
            self.invalid(&key, error.inner().to_string())
        })
    }

    /// Reads a file of lines. `parse` gives the value of a line, and none for a line that does not matter.
    ///
    /// # Errors
    /// A file that cannot be read; the first line that `parse` refuses.
    pub(crate) fn lines<T>(
        &self,
        parse: impl Fn(&str) -> Result<Option<T>, String>,
    ) -> Result<Vec<T>, DocumentError> {
        let text = std::fs::read_to_string(self.path).map_err(|error| self.failed(error))?;
        let mut values = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let place = format!(", line {number}");
            values.extend(parse(line).map_err(|reason| self.fault(place, reason))?);
        }
        Ok(values)
    }
}
