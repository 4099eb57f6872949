//! QEMU's version number.

use std::fmt;

/// A QEMU version, for example 11.1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// First number. It grows about once a year.
    pub major: u32,
    /// Second number: the release within a year.
    pub minor: u32,
    /// Third number: the bug-fix release. 50 and more mark a development tree.
    pub micro: u32,
}

impl Version {
    /// `vfio-user-pci` came with 10.1 (source: QEMU's change log of that release).
    pub const FIRST_WITH_VFIO_USER: Self = Self {
        major: 10,
        minor: 1,
        micro: 0,
    };

    /// Whether `text` is a version, or a release with all its fixes: two or three numbers, such as `11.1`.
    pub fn is_named_by(text: &str) -> bool {
        let parts: Vec<_> = text.split('.').collect();
        let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        (2..=3).contains(&parts.len()) && parts.iter().all(is_number)
    }

    /// Parses the first line of `qemu-system-* --version`, for example
    /// `QEMU emulator version 11.1.3 (Debian 1:11.1.3+ds-1~bpo13+1)`.
    pub fn parse(output: &str) -> Option<Self> {
        let number = output
            .lines()
            .next()?
            .strip_prefix("QEMU emulator version ")?
            .split([' ', '('])
            .next()?;
        let mut parts = number.split('.').map(str::parse);
        let mut next = || parts.next()?.ok();
        Some(Self {
            major: next()?,
            minor: next()?,
            micro: next().unwrap_or(0),
        })
    }

    /// The QEMU version of a Debian version such as `1:11.1.3+ds-1`.
    pub(crate) fn of_package(version: &str) -> Option<Self> {
        let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
        let number = upstream.split(['+', '-', '~']).next()?;
        Self::parse(&format!("QEMU emulator version {number}"))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)
    }
}

/// Whether the package version `version` belongs to the upstream version `wanted` or to one of its fixes.
pub(crate) fn is_of(version: &str, wanted: &str) -> bool {
    Version::of_package(version).is_some_and(|version| {
        let version = version.to_string();
        let rest = version.strip_prefix(wanted);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(major: u32, minor: u32, micro: u32) -> Version {
        Version {
            major,
            minor,
            micro,
        }
    }

    #[test]
    fn reads_what_distributions_print() {
        let debian = "QEMU emulator version 11.1.3 (Debian 1:11.1.3+ds-1~bpo13+1)\nCopyright (c)";
        assert_eq!(Version::parse(debian), Some(v(11, 1, 3)));
        assert_eq!(
            Version::parse("QEMU emulator version 10.1.90(v10.2.0-rc0)"),
            Some(v(10, 1, 90))
        );
        assert_eq!(
            Version::parse("QEMU emulator version 10.1"),
            Some(v(10, 1, 0))
        );
    }

    #[test]
    fn is_not_fooled_by_other_programs() {
        for other in [
            "",
            "bash: qemu: not found",
            "QEMU emulator version",
            "GNU 1.2",
        ] {
            assert_eq!(Version::parse(other), None, "{other}");
        }
    }

    #[test]
    fn orders_by_number_not_by_text() {
        assert!(v(10, 0, 13) < Version::FIRST_WITH_VFIO_USER);
        assert!(v(9, 2, 0) < Version::FIRST_WITH_VFIO_USER);
        assert!(v(10, 1, 0) >= Version::FIRST_WITH_VFIO_USER);
        assert!(v(11, 0, 0) > Version::FIRST_WITH_VFIO_USER);
        assert_eq!(v(11, 1, 3).to_string(), "11.1.3");
    }
}
