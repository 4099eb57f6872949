//! Which QEMU a run tests: a path, a version that Debian has, or the default.

use super::check::{Qemu, QemuError};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// A version such as `11.1` or `11.1.3`, if `text` is one and no file has that name.
#[must_use]
pub fn as_version(text: &OsStr) -> Option<&str> {
    let text = text.to_str()?;
    let parts: Vec<&str> = text.split('.').collect();
    let number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_version = (2..=3).contains(&parts.len()) && parts.iter().all(number);
    (is_version && !Path::new(text).exists()).then_some(text)
}

/// Whether a version line such as `QEMU emulator version 11.1.3 (Debian ...)` is of the version `wanted`.
#[must_use]
pub fn is_of(line: &str, wanted: &str) -> bool {
    line.split_whitespace().any(|word| {
        word.strip_prefix(wanted)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// The QEMU that is named, or the default: `$QEMU`, the one on `PATH`, or Debian's.
///
/// # Errors
/// There is none, or it cannot be used.
pub fn locate(named: Option<&OsStr>) -> Result<Qemu, LocateError> {
    let environment = || std::env::var_os("QEMU").filter(|value| !value.is_empty());
    let path = match (named.and_then(as_version), named) {
        (Some(version), _) => return of_version(version),
        (None, Some(path)) => PathBuf::from(path),
        (None, None) => match environment() {
            Some(path) => PathBuf::from(path),
            None => debian(None)?,
        },
    };
    Ok(Qemu::check(&path)?)
}

/// Why there is no QEMU to test.
#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    /// It cannot be used.
    #[error(transparent)]
    Unfit(#[from] QemuError),
    /// None is named, found or fetched.
    #[error("no QEMU to test")]
    None(#[source] debian_fetch::Error),
    /// Debian has no QEMU of this version.
    #[error("no QEMU {wanted} can be had: Debian's suites have {}", found.join(", "))]
    NoVersion {
        /// The version.
        wanted: String,
        /// The versions that were found.
        found: Vec<String>,
    },
}

fn debian(suite: Option<&str>) -> Result<PathBuf, LocateError> {
    let _ = suite;
    let cache = debian_fetch::Cache::locate().map_err(LocateError::None)?;
    let qemu = debian_fetch::Qemu::find(debian_fetch::Machine::S390x, None, &cache);
    Ok(qemu.map_err(LocateError::None)?.program)
}

fn of_version(wanted: &str) -> Result<Qemu, LocateError> {
    let qemu = Qemu::check(&debian(None)?)?;
    if is_of(&qemu.version, wanted) {
        return Ok(qemu);
    }
    Err(LocateError::NoVersion {
        wanted: wanted.to_owned(),
        found: vec![qemu.version],
    })
}

#[cfg(test)]
mod tests {
    use super::{as_version, is_of};
    use std::ffi::OsStr;

    #[test]
    fn versions_are_told_from_paths() {
        for version in ["11.1", "10.2.2"] {
            assert_eq!(as_version(OsStr::new(version)), Some(version));
        }
        for path in [
            "11",
            "qemu",
            "/usr/bin/qemu-10.2",
            "build/11.1",
            "11.1.",
            "1.2.3.4",
        ] {
            assert_eq!(as_version(OsStr::new(path)), None, "{path}");
        }
    }

    #[test]
    fn a_version_holds_its_patch_releases_only() {
        let line = "QEMU emulator version 11.1.3 (Debian 1:11.1.3+ds-1)";
        assert!(is_of(line, "11.1") && is_of(line, "11.1.3"));
        assert!(!is_of(line, "11") || is_of(line, "11.1"));
        assert!(!is_of(line, "1.1") && !is_of(line, "11.1.2") && !is_of(line, "11.10"));
        assert!(!is_of("QEMU emulator version 10.2.22", "10.2.2"));
    }
}
