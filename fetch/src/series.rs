//! Series of kernels.

use std::fmt;
use std::str::FromStr;

/// A series of Linux kernels, such as 6.12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Series {
    /// The series with this major and minor number.
    Of(u32, u32),
    /// The newest series that Debian has.
    Newest,
}

impl Series {
    /// The long-term series in Debian's stable release.
    pub const LINUX_6_12: Self = Self::Of(6, 12);
    /// A series in which ism sits below the dibs layer.
    pub const LINUX_7_2: Self = Self::Of(7, 2);

    pub(crate) fn numbers(self) -> Option<(u32, u32)> {
        match self {
            Self::Of(major, minor) => Some((major, minor)),
            Self::Newest => None,
        }
    }

    /// Whether a kernel with the upstream version `version` belongs to this series.
    pub(crate) fn has(self, version: &str) -> bool {
        match self {
            Self::Newest => true,
            Self::Of(..) => numbers(version) == self.numbers(),
        }
    }
}

/// Major and minor number of a version such as `6.12.95` or `7.3~rc7`.
pub(crate) fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

impl FromStr for Series {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "newest" {
            return Ok(Self::Newest);
        }
        let parts = text.split_once('.');
        let found = parts.and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
        found
            .map(|(major, minor)| Self::Of(major, minor))
            .ok_or_else(|| format!("{text:?} is no series of kernels: 6.12, 7.2 and newest are"))
    }
}

fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(major, minor) => write!(f, "{major}.{minor}"),
            Self::Newest => f.write_str("newest"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_read_and_shown() {
        for text in ["6.12", "7.2", "newest"] {
            assert_eq!(text.parse::<Series>().unwrap().to_string(), text);
        }
        for text in ["", "6", "6.", "6.12.3", "v6.1", "6.-1", "+6.1", "Newest"] {
            let words = text.parse::<Series>().unwrap_err();
            assert!(words.contains("newest"), "{words}");
        }
    }

    #[test]
    fn a_version_belongs_to_one_series() {
        let series = Series::LINUX_7_2;
        assert!(series.has("7.2.13") && series.has("7.2") && series.has("7.2~rc1"));
        assert!(!series.has("7.20.1") && !series.has("6.7.2") && !series.has("seven"));
        assert!(Series::Newest.has("8.0"));
    }
}
