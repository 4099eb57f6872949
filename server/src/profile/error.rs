//! Errors in profiles, with file and key.

use std::fmt;

/// An error in a profile.
#[derive(Debug, PartialEq, Eq)]
pub struct ProfileError {
    /// File, or the name of the built-in profile.
    pub file: String,
    /// Path of the key, e.g. `functions[1].gid`; empty for the whole file.
    pub key: String,
    /// The error, and the expected value.
    pub problem: String,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" | "." => write!(f, "{}: {}", self.file, self.problem),
            key => write!(f, "{}: {key}: {}", self.file, self.problem),
        }
    }
}

impl std::error::Error for ProfileError {}

/// An error in one key, before the file is known.
#[derive(Debug)]
pub struct KeyError {
    /// Path of the key, as in [`ProfileError`].
    pub key: String,
    /// The error, and the expected value.
    pub problem: String,
}

impl KeyError {
    /// Creates an error in `key`.
    pub fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            problem: problem.into(),
        }
    }
}
