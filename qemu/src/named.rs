//! Finds the QEMU that `--qemu` names.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use debian_fetch::{Cache, Machine, Qemu, Version};

use crate::build::{self, BuildError};

/// The word for the QEMU of [`build`].
const ZPCI: &str = "zpci";
/// Prefix of a version of that QEMU.
const ZPCI_OF: &str = "zpci-";

/// The meaning of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named<'a> {
    /// The program at this path.
    Path(&'a Path),
    /// Debian's QEMU of this version, such as `11.1` or `11.1.3`.
    Version(&'a str),
    /// The QEMU with the changes. It may have a version, such as `11.1`.
    Zpci(Option<&'a str>),
}

impl<'a> Named<'a> {
    /// Finds the meaning of `word`. A file with that name comes first.
    pub fn of(word: &'a OsStr) -> Self {
        let path = Path::new(word);
        match word.to_str() {
            _ if path.exists() => Self::Path(path),
            Some(ZPCI) => Self::Zpci(None),
            Some(text) if Version::is_named_by(text) => Self::Version(text),
            Some(text) => match text
                .strip_prefix(ZPCI_OF)
                .filter(|rest| Version::is_named_by(rest))
            {
                Some(version) => Self::Zpci(Some(version)),
                None => Self::Path(path),
            },
            None => Self::Path(path),
        }
    }

    /// The path of `qemu-system-s390x`. Fetches or builds it if it is missing.
    ///
    /// # Errors
    /// It can be neither fetched nor built. A path is not looked at.
    pub fn program(self, cache: &Cache) -> Result<PathBuf, BuildError> {
        match self {
            Self::Path(path) => Ok(path.to_owned()),
            Self::Version(version) => Ok(Qemu::of_version(Machine::S390x, version, cache)?.program),
            Self::Zpci(version) => build::program(cache, version),
        }
    }
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Version(version) => f.write_str(version),
            Self::Zpci(None) => f.write_str(ZPCI),
            Self::Zpci(Some(version)) => write!(f, "{ZPCI_OF}{version}"),
        }
    }
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
        assert_eq!(Named::of(OsStr::new("zpci")), Named::Zpci(None));
        let named = Named::of(OsStr::new("zpci-11.1"));
        assert_eq!(named, Named::Zpci(Some("11.1")));
        assert_eq!(named.to_string(), "zpci-11.1");
        for path in [
            "11",
            "qemu",
            "./zpci",
            "zpci-",
            "zpci-new",
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
