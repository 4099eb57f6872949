//! One broken rule, and who is told of it.

use super::catalogue::Rule;
use super::severity::Severity;
use crate::access::Path;

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// Its severity in force.
    pub severity: Severity,
    /// Path of the access that broke it.
    pub path: Path,
    /// PCI address space of the access.
    pub pcias: u8,
    /// Offset of the access (of the first piece, for a run of pieces).
    pub offset: u64,
    /// Bytes concerned (of all the pieces, for a run of pieces).
    pub len: usize,
    /// Number of pieces, for a run of pieces; 1 otherwise.
    pub pieces: usize,
    /// Largest piece in bytes, for a run of pieces; `len` otherwise.
    pub piece_len: usize,
    /// One sentence: the access, and what the rule expected instead.
    pub detail: String,
}

/// Receives the record of every broken rule.
pub trait Observer {
    /// A rule was broken.
    fn violation(&mut self, violation: &Violation);
}
