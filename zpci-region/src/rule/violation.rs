//! The record of one broken rule, and its observer.

use super::catalogue::Rule;
use super::severity::Severity;
use crate::access::Path;

/// The record of one broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule that was broken.
    pub rule: Rule,
    /// The severity of the rule.
    pub severity: Severity,
    /// The path of the access that broke the rule.
    pub path: Path,
    /// PCI address space of the access.
    pub pcias: u8,
    /// Offset of the access, or of the first piece of a run.
    pub offset: u64,
    /// Bytes of the access, or of all pieces of a run.
    pub len: usize,
    /// Number of pieces of a run; 1 for an access.
    pub pieces: usize,
    /// Bytes of the largest piece of a run; `len` for an access.
    pub piece_len: usize,
    /// One sentence: the access, and what the rule expected.
    pub detail: String,
}

/// Receives the record of every broken rule.
pub trait Observer {
    /// Receives the record of a broken rule.
    fn violation(&mut self, violation: &Violation);
}
