//! What to fetch.

use serde::{Deserialize, Serialize};

/// How far to follow a package's dependencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Closure {
    /// The named packages and nothing else.
    Named,
    /// With all they depend on, down to libc; no recommended packages.
    Full,
}

/// A set of packages to unpack together. Two equal requests are the same cache entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The cache entry's name: lower case letters, digits, `-` and `.`.
    pub name: String,
    /// Debian suite, e.g. `trixie`. `trixie-backports` takes what it lacks from `trixie`.
    pub suite: String,
    /// Debian architecture, e.g. `amd64` or `s390x`; packages for all architectures come along.
    pub arch: String,
    /// Package names.
    pub packages: Vec<String>,
    /// Meta packages, e.g. `linux-image-s390x`: what each stands for now, its first dependency,
    /// is fetched in its place.
    pub metas: Vec<String>,
    /// With or without dependencies.
    pub closure: Closure,
}

impl Request {
    /// The suites to read, the one to prefer last.
    pub(crate) fn suites(&self) -> Vec<&str> {
        let mut suites = Vec::new();
        if let Some(base) = self.suite.strip_suffix("-backports") {
            suites.push(base);
        }
        suites.push(&self.suite);
        suites
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backports_lean_on_their_release() {
        let request = |suite: &str| Request {
            name: "x".into(),
            suite: suite.into(),
            arch: "amd64".into(),
            packages: vec![],
            metas: vec![],
            closure: Closure::Full,
        };
        assert_eq!(
            request("trixie-backports").suites(),
            ["trixie", "trixie-backports"]
        );
        assert_eq!(request("trixie").suites(), ["trixie"]);
    }
}
