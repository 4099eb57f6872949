//! The model of the function that a report assumes.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

/// The model of the function that a report assumes.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Model {
    /// The function accepts block stores of any alignment.
    #[default]
    Relaxed,
    /// The function accepts only aligned block stores whose length is a multiple of 8.
    Strict,
}

impl Model {
    /// Name in reports.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
