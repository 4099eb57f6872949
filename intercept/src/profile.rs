//! The little that must be known of the server's profile to say what its function should see.

use crate::plan::Announced;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The reason why a profile cannot be used.
#[derive(Debug, Error)]
pub enum ProfileError {
    /// The file cannot be read.
    #[error("profile {}", path.display())]
    Read {
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// It is not JSON of the expected form.
    #[error("profile {}: at {key}: {reason}", path.display())]
    Invalid {
        path: PathBuf,
        /// Path of the key.
        key: String,
        reason: String,
    },
    /// It has several functions, or none.
    #[error("profile {}: at functions: has {count} entries, the probe needs exactly one", path.display())]
    Functions {
        path: PathBuf,
        /// The number of them.
        count: usize,
    },
}

/// The parts of a profile that decide the expectations. The server checks the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    /// Its name, for reports.
    pub name: String,
    /// The facts that the function announces.
    pub announced: Announced,
}

impl Default for Profile {
    /// The server's built-in profile.
    fn default() -> Self {
        Self {
            name: "ism".into(),
            announced: Announced::default(),
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
    msix: Option<bool>,
    data_bar_bits: Option<u8>,
    pchid: Option<u16>,
    pnetid: Option<String>,
}

/// A function's own settings come before those of all functions.
#[derive(Deserialize)]
struct Function {
    #[serde(default)]
    device: Device,
}

/// Bytes of a utility string, and of the part that is the PNETID of the first port.
const UTILITY_STRING: usize = 64;
const PORT: usize = 16;

/// A PNETID as the utility string of CLP: EBCDIC, padded with blanks to 16 bytes, the rest zero.
fn utility_string(pnetid: &str) -> Vec<u8> {
    let ebcdic = |ascii: u8| match ascii {
        b'A'..=b'I' => 0xc1 + (ascii - b'A'),
        b'J'..=b'R' => 0xd1 + (ascii - b'J'),
        b'S'..=b'Z' => 0xe2 + (ascii - b'S'),
        b'0'..=b'9' => 0xf0 + (ascii - b'0'),
        _ => 0x40,
    };
    let mut string: Vec<u8> = pnetid.bytes().map(ebcdic).collect();
    string.resize(PORT, 0x40);
    string.resize(UTILITY_STRING, 0);
    string
}

impl File {
    /// The facts that the function announces. The server checks that they are possible.
    fn announced(&self) -> Announced {
        let own = self.functions.first().map(|function| &function.device);
        fn first<'a, T: ?Sized>(
            own: Option<&'a Device>,
            all: &'a Device,
            get: impl Fn(&'a Device) -> Option<&'a T>,
        ) -> Option<&'a T> {
            own.and_then(&get).or_else(|| get(all))
        }
        let mut announced = Announced::default();
        let all = &self.device;
        if let Some(value) = first(own, all, |device| device.max_store_block_length.as_ref()) {
            announced.maxstbl = *value;
        }
        if let Some(value) = first(own, all, |device| device.relaxed.as_ref()) {
            announced.relaxed = *value;
        }
        if let Some(value) = first(own, all, |device| device.pchid.as_ref()) {
            announced.pchid = *value;
        }
        if let Some(value) = first(own, all, |device| device.data_bar_bits.as_ref()) {
            announced.bar_sizes[0] = *value;
        }
        if first(own, all, |device| device.msix.as_ref()) == Some(&false) {
            announced.bar_sizes[4] = 0;
        }
        if let Some(value) = first(own, all, |device| device.pnetid.as_deref()) {
            announced.utility_string = utility_string(value);
        }
        announced
    }
}

impl Profile {
    /// Reads a profile file.
    ///
    /// # Errors
    /// See [`ProfileError`].
    pub(crate) fn read(path: &Path) -> Result<Self, ProfileError> {
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
        let announced = file.announced();
        Ok(Self {
            name: file.name.unwrap_or_else(|| path.display().to_string()),
            announced,
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
        let announced = strict.announced;
        assert_eq!((announced.maxstbl, announced.relaxed), (128, false));
    }

    #[test]
    fn a_functions_own_settings_come_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("profile.json");
        let text = r#"{"device":{"pchid":9,"msix":false},
            "functions":[{"device":{"pchid":10,"data_bar_bits":40,"pnetid":"AJ9"}}]}"#;
        std::fs::write(&path, text).expect("writes");
        let announced = Profile::read(&path).expect("reads").announced;
        assert_eq!(
            (announced.pchid, announced.bar_sizes),
            (10, [40, 0, 12, 0, 0, 0])
        );
        assert_eq!(
            announced.utility_string[..5],
            [0xc1, 0xd1, 0xf9, 0x40, 0x40]
        );
        assert_eq!(announced.utility_string[16..], [0; 48]);
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
