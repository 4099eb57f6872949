//! The little that must be known of the server's profile to say what its function should see.

use serde::Deserialize;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a profile cannot be used.
#[derive(Debug, Error)]
pub enum ProfileError {
    /// The file cannot be read.
    #[error("profile {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not JSON of the expected form.
    #[error("profile {}: at {key}: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Path of the key.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// It has several functions, or none.
    #[error("profile {}: at functions: has {count} entries, the probe needs exactly one", path.display())]
    Functions {
        /// The file.
        path: PathBuf,
        /// How many there are.
        count: usize,
    },
}

/// What of a profile decides the expectations. The server checks the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name, for reports.
    pub name: String,
    /// Longest block store the function takes.
    pub max_store_block: u16,
    /// Whether it takes any alignment.
    pub relaxed: bool,
}

impl Default for Profile {
    /// The server's built-in profile.
    fn default() -> Self {
        Self {
            name: "ism".into(),
            max_store_block: 4096,
            relaxed: true,
        }
    }
}

#[derive(Deserialize)]
struct File {
    name: Option<String>,
    #[serde(default)]
    device: Device,
    functions: Vec<Function>,
}

#[derive(Deserialize, Default)]
struct Device {
    max_store_block_length: Option<u16>,
    relaxed: Option<bool>,
}

#[derive(Deserialize)]
struct Function {}

impl Profile {
    /// Reads a profile file.
    ///
    /// # Errors
    /// See [`ProfileError`].
    pub fn read(path: &Path) -> Result<Self, ProfileError> {
        let text = std::fs::read_to_string(path).map_err(|source| ProfileError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut json = serde_json::Deserializer::from_str(&text);
        let file: File =
            serde_path_to_error::deserialize(&mut json).map_err(|error| ProfileError::Invalid {
                path: path.to_owned(),
                key: error.path().to_string(),
                reason: error.inner().to_string(),
            })?;
        if file.functions.len() != 1 {
            return Err(ProfileError::Functions {
                path: path.to_owned(),
                count: file.functions.len(),
            });
        }
        let default = Self::default();
        Ok(Self {
            name: file.name.unwrap_or_else(|| path.display().to_string()),
            max_store_block: file
                .device
                .max_store_block_length
                .unwrap_or(default.max_store_block),
            relaxed: file.device.relaxed.unwrap_or(default.relaxed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Profile;
    use std::path::Path;

    fn config(name: &str) -> Result<Profile, super::ProfileError> {
        Profile::read(
            &Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../configs")
                .join(name),
        )
    }

    #[test]
    fn the_default_is_the_servers() {
        assert_eq!(config("ism.json").expect("reads"), Profile::default());
    }

    #[test]
    fn the_strict_profile_is_strict() {
        let strict = config("strict.json").expect("reads");
        assert_eq!((strict.max_store_block, strict.relaxed), (128, false));
    }

    #[test]
    fn a_profile_of_two_functions_is_refused() {
        let message = config("pair.json").expect_err("refused").to_string();
        assert!(
            message.ends_with("at functions: has 2 entries, the probe needs exactly one"),
            "{message}"
        );
    }
}
