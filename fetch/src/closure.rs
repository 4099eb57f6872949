//! Selects the packages to take from a suite.

/// The dependencies to take with a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closure {
    /// Only the named packages.
    Named,
    /// All dependencies, down to libc, without recommended packages.
    Full,
}
