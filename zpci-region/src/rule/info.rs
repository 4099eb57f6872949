//! What is told of a rule.

use super::{Rule, Severity};

/// Families of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Shape of one access, or of a run of pieces.
    Shape,
    /// Order of stores and loads that make up a command.
    Command,
    /// Order and target of data moves.
    Data,
    /// Opt-in: what SMC-D puts into a DMB.
    Smcd,
}

/// What is told of a rule.
#[derive(Clone, Copy, Debug)]
pub struct RuleInfo {
    /// The rule.
    pub rule: Rule,
    /// Stable kebab-case id.
    pub id: &'static str,
    /// Its family.
    pub group: Group,
    /// Severity unless a profile says otherwise.
    pub default: Severity,
    /// Whether an access that breaks the rule cannot be carried out, so that it fails even when the
    /// severity is below [`Severity::Reject`]. Such an access is refused when the rule is off, too;
    /// it is then not recorded.
    pub always_fails: bool,
    /// One line for lists.
    pub title: &'static str,
    /// Why, in a paragraph.
    pub reason: &'static str,
    /// Where the reason comes from.
    pub source: &'static str,
}

impl Group {
    /// Name in lists and profiles.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Shape => "shape",
            Group::Command => "command",
            Group::Data => "data",
            Group::Smcd => "smcd",
        }
    }
}
