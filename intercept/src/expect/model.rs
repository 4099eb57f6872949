//! The function that the instructions are measured against.

use serde::{Deserialize, Serialize};

/// The function that the instructions are measured against.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// Takes any alignment and any length up to 4,096, as ISM does.
    #[default]
    Relaxed,
    /// Takes multiples of 8 above 8, aligned, up to the group's maximum store block length.
    Strict,
}

impl Model {
    /// Name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Relaxed => "relaxed",
            Self::Strict => "strict",
        }
    }
}
