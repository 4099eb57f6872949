//! The severities of rules.

/// The effect of a broken rule, from least to most severe.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The server does not check the rule.
    Off,
    /// The server records a broken rule.
    Note,
    /// The server records a broken rule as a fault.
    Warn,
    /// The server records a broken rule, and the access has no effect.
    Reject,
}

impl Severity {
    /// The severity's name in profiles, lists and events.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Off => "off",
            Severity::Note => "note",
            Severity::Warn => "warn",
            Severity::Reject => "reject",
        }
    }
}
