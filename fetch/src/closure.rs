//! The packages to take from a suite.

/// The depth to which a package's dependencies are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closure {
    /// The named packages and nothing else.
    Named,
    /// With all they depend on, down to libc; no recommended packages.
    Full,
}
