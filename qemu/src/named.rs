//! The QEMU that a `--qemu` on a command line means.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use debian_fetch::{Cache, Machine, Qemu};

use crate::build::{self, BuildError};

/// The word that means the QEMU of [`build`].
const ZPCI: &str = "zpci";

/// The meaning of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named<'a> {
    /// This program.
    Path(&'a Path),
    /// Debian's QEMU of this version, such as `11.1` or `11.1.3`.
    Version(&'a str),
    /// The QEMU with the changes.
    Zpci,
}

impl<'a> Named<'a> {
    /// Looks `word` up. A file of that name comes first.
    #[must_use]
    pub fn of(word: &'a OsStr) -> Self {
        let path = Path::new(word);
        match word.to_str() {
            _ if path.exists() => Self::Path(path),
            Some(ZPCI) => Self::Zpci,
            Some(text) if is_version(text) => Self::Version(text),
            _ => Self::Path(path),
        }
    }

    /// Its `qemu-system-s390x`, fetched or built if need be.
    ///
    /// # Errors
    /// It can be neither fetched nor built. A path is not looked at.
    pub fn program(self, cache: &Cache) -> Result<PathBuf, BuildError> {
        match self {
            Self::Path(path) => Ok(path.to_owned()),
            Self::Version(version) => Ok(Qemu::of_version(Machine::S390x, version, cache)?.program),
            Self::Zpci => build::program(cache),
        }
    }
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Version(version) => f.write_str(version),
            Self::Zpci => f.write_str(ZPCI),
        }
    }
}

fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (2..=3).contains(&parts.len()) && parts.iter().all(number)
}

#[cfg(test)]
mod tests {
    use super::Named;
    use std::ffi::OsStr;
    use std::path::Path;

    #[test]
    fn versions_and_the_word_zpci_are_told_from_paths() {
        for version in ["11.1", "10.2.2"] {
            assert_eq!(Named::of(OsStr::new(version)), Named::Version(version));
        }
        assert_eq!(Named::of(OsStr::new("zpci")), Named::Zpci);
        for path in [
            "11",
            "qemu",
            "./zpci",
            "/usr/bin/qemu-10.2",
            "build/11.1",
            "11.1.",
            "1.2.3.4",
        ] {
            let named = Named::of(OsStr::new(path));
            assert_eq!(named, Named::Path(Path::new(path)), "{path}");
        }
    }
}
