//! Severities of rules.

/// The effect of a broken rule, from least to most severe.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
