//! Finds the QEMU to test: a path, a version that Debian has, the one with the zPCI changes, or the default.

use std::ffi::OsStr;
use std::path::PathBuf;

use debian_fetch::{Cache, Machine};
use qemu_zpci::{BuildError, Named};

use super::check::{Qemu, QemuError};

/// The named QEMU, or the default: `$QEMU`, the one on `PATH`, or Debian's.
///
/// # Errors
/// There is none, or it cannot be used.
pub(crate) fn locate(named: Option<&OsStr>) -> Result<Qemu, LocateError> {
    let environment = || std::env::var_os("QEMU").filter(|value| !value.is_empty());
    let path = match named.map(Named::of) {
        Some(Named::Path(path)) => path.to_owned(),
        Some(named) => fetched(named)?,
        None => match environment() {
            Some(path) => PathBuf::from(path),
            None => debian()?,
        },
    };
    Ok(Qemu::check(&path)?)
}

/// A reason why there is no QEMU to test.
#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    /// The QEMU cannot be used.
    #[error(transparent)]
    Unfit(#[from] QemuError),
    /// No QEMU was named, found or fetched.
    #[error("no QEMU to test")]
    None(#[source] debian_fetch::Error),
    /// The named QEMU cannot be fetched or built.
    #[error("no QEMU {wanted} to test")]
    NotMade {
        /// The version, or `zpci`.
        wanted: String,
        /// The cause.
        source: BuildError,
    },
}

fn debian() -> Result<PathBuf, LocateError> {
    let cache = Cache::locate().map_err(LocateError::None)?;
    let qemu = debian_fetch::Qemu::find(Machine::S390x, None, &cache);
    Ok(qemu.map_err(LocateError::None)?.program)
}

fn fetched(named: Named<'_>) -> Result<PathBuf, LocateError> {
    let cache = Cache::locate().map_err(LocateError::None)?;
    named
        .program(&cache)
        .map_err(|source| LocateError::NotMade {
            wanted: named.to_string(),
            source,
        })
}
