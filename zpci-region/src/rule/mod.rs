//! Named rules, their severities, and what is said when one is broken.
//!
//! The checks live where the knowledge is: shape rules in this crate, order rules in `ism`.
//! Their names and reasons stand together in [`catalogue`].

pub mod catalogue;
mod info;

pub use catalogue::Rule;
pub use info::{Group, RuleInfo};

use crate::access::Path;

/// What happens when a rule is broken. Ordered from least to most severe.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Not checked.
    Off,
    /// Recorded.
    Note,
    /// Recorded, and shown as a fault.
    Warn,
    /// Recorded, and the access has no effect.
    Reject,
}

impl Severity {
    /// Name in profiles, lists and events.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Off => "off",
            Severity::Note => "note",
            Severity::Warn => "warn",
            Severity::Reject => "reject",
        }
    }
}

/// The severity of every rule, as one profile sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSet {
    severities: [Severity; Rule::COUNT],
}

impl Default for RuleSet {
    fn default() -> Self {
        let mut severities = [Severity::Off; Rule::COUNT];
        for (slot, info) in severities.iter_mut().zip(catalogue::CATALOGUE.iter()) {
            *slot = info.default;
        }
        Self { severities }
    }
}

impl RuleSet {
    /// The severity of `rule`.
    pub fn severity(&self, rule: Rule) -> Severity {
        self.severities
            .get(rule.index())
            .copied()
            .unwrap_or(Severity::Off)
    }

    /// Whether an access that breaks `rule` has no effect: it is set to reject, or it cannot be
    /// carried out anyway.
    pub fn refuses(&self, rule: Rule) -> bool {
        rule.always_fails() || self.severity(rule) == Severity::Reject
    }

    /// Sets the severity of `rule`.
    pub fn set(&mut self, rule: Rule, severity: Severity) {
        if let Some(slot) = self.severities.get_mut(rule.index()) {
            *slot = severity;
        }
    }
}

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
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
    /// What was seen and what was expected, in one sentence.
    pub detail: String,
}

/// Told of everything worth recording while an access is judged and carried out.
pub trait Observer {
    /// A rule was broken.
    fn violation(&mut self, violation: &Violation);
}
