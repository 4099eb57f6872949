//! Title, reason and source of every rule: one file for each group.

pub(super) mod command;
pub(super) mod data;
pub(super) mod shape;
pub(super) mod smcd;

/// Title, reason and source of one rule.
pub(super) struct Text {
    /// The title: one line for lists.
    pub title: &'static str,
    /// The reason of the rule, in one paragraph.
    pub reason: &'static str,
    /// The source of the reason.
    pub source: &'static str,
}
