//! JSON files: files from the user, and files of a run from the server and the plugin.

use serde::de::DeserializeOwned;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A reason why a file cannot be used.
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
    /// The file does not have the expected form.
    #[error("{what} {}{place}: {reason}", path.display())]
    Invalid {
        /// The kind of file.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The key or the line, with the text before it.
        place: String,
        /// The fault, and the expected value.
        reason: String,
    },
}

/// A file of one kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Document<'a> {
    /// The kind of file, for errors.
    what: &'static str,
    path: &'a Path,
}

impl<'a> Document<'a> {
    pub(crate) const fn new(what: &'static str, path: &'a Path) -> Self {
        Self { what, path }
    }

    /// An error of the system about this file.
    pub(crate) fn failed(&self, source: io::Error) -> DocumentError {
        let (what, path) = (self.what, self.path.to_owned());
        DocumentError::File { what, path, source }
    }

    /// An error at the key with this path, as in `cases[3].length`.
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
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let key = match error.path().to_string() {
                top if top == "." => "the top level".to_owned(),
                key => key,
            };
            self.invalid(&key, error.inner().to_string())
        })?;
        // Two documents in one file, or the rest of an older one.
        json.end()
            .map_err(|error| self.invalid("the end", error.to_string()))?;
        Ok(value)
    }

    /// Reads a file of lines. `parse` returns the value of a line, or none to skip the line.
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
