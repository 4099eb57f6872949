//! Refuses accesses of 0 bytes.

use crate::access::Failure;
use crate::judgement::Refusal;

/// Builds the refusal of an access of 0 bytes. It breaks no rule, because it is no access.
pub(super) fn empty(what: &str, pcias: u8, offset: u64) -> Refusal {
    Refusal {
        failure: Failure::Invalid,
        rule: None,
        reason: format!(
            "{what} of 0 bytes at offset {offset:#x} of BAR {pcias}: expected at least 1"
        ),
    }
}
