//! The packages to take from a suite.

/// How far to follow a package's dependencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closure {
    /// The named packages and nothing else.
    Named,
    /// With all they depend on, down to libc; no recommended packages.
    Full,
}
