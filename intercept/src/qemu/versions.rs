//! Which QEMU a run tests: a path, a version that Debian has, or the default.

use super::check::{Qemu, QemuError};
use debian_fetch::{Cache, Machine};
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
            None => debian()?,
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
    /// Debian has no QEMU of this version, or it cannot be fetched.
    #[error("no QEMU {wanted} to test")]
    NoVersion {
        /// The version.
        wanted: String,
        /// Why.
        source: debian_fetch::Error,
    },
}

fn debian() -> Result<PathBuf, LocateError> {
    let cache = Cache::locate().map_err(LocateError::None)?;
    let qemu = debian_fetch::Qemu::find(Machine::S390x, None, &cache);
    Ok(qemu.map_err(LocateError::None)?.program)
}

fn of_version(wanted: &str) -> Result<Qemu, LocateError> {
    let path = Cache::locate()
        .and_then(|cache| debian_fetch::Qemu::of_version(Machine::S390x, wanted, &cache))
        .map_err(|source| LocateError::NoVersion {
            wanted: wanted.to_owned(),
            source,
        })?
        .program;
    Ok(Qemu::check(&path)?)
}

#[cfg(test)]
mod tests {
    use super::as_version;
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
}
