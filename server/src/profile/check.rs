//! Reads profiles. Every error names the file, the key and the expected value.

use std::path::Path;

use ism::profile::Profile;

use super::error::{KeyError, ProfileError};
use super::plan::Plan;

/// Largest profile read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Reads and checks a profile file.
pub fn load(path: &Path) -> Result<Plan, ProfileError> {
    let file = path.display().to_string();
    let fail = |problem: String| ProfileError {
        file: file.clone(),
        key: String::new(),
        problem,
    };
    let len = std::fs::metadata(path)
        .map_err(|error| fail(error.to_string()))?
        .len();
    if len > MAX_FILE {
        return Err(fail(format!("{len} bytes, expected at most {MAX_FILE}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    parse(&file, &text)
}

/// Parses and checks the text of a profile. Errors call it `file`.
pub fn parse(file: &str, text: &str) -> Result<Plan, ProfileError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let profile: Profile =
        serde_path_to_error::deserialize(&mut deserializer).map_err(|error| ProfileError {
            file: file.to_owned(),
            key: error.path().to_string(),
            problem: error.into_inner().to_string(),
        })?;
    deserializer.end().map_err(|error| ProfileError {
        file: file.to_owned(),
        key: String::new(),
        problem: error.to_string(),
    })?;
    Plan::new(profile).map_err(|KeyError { key, problem }| ProfileError {
        file: file.to_owned(),
        key,
        problem,
    })
}

#[cfg(test)]
mod tests;
