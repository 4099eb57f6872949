//! The severities that one profile sets.

use super::catalogue::{CATALOGUE, Rule};
use super::severity::Severity;

/// The severity of every rule, as a profile sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSet {
    severities: [Severity; Rule::COUNT],
}

impl Default for RuleSet {
    fn default() -> Self {
        let mut severities = [Severity::Off; Rule::COUNT];
        for (slot, info) in severities.iter_mut().zip(&CATALOGUE) {
            *slot = info.default;
        }
        Self { severities }
    }
}

impl RuleSet {
    /// Returns the severity of `rule`.
    pub fn severity(&self, rule: Rule) -> Severity {
        self.severities
            .get(rule.index())
            .copied()
            .unwrap_or(Severity::Off)
    }

    /// True if an access that breaks `rule` has no effect, because the rule is set to reject or the access
    /// cannot be carried out.
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
