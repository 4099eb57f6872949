//! The results of block stores by length, as a recording keeps them.

use crate::verdict::kind::Verdict;
use serde::{Deserialize, Serialize};

/// The result of one block store that should have arrived whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It arrived as one access with the right bytes.
    Whole,
    /// The guest was refused it.
    Refused {
        /// The program interruption code, unless it was a condition code.
        exception: Option<u16>,
        /// The condition code.
        condition: u8,
        /// The status that came with it.
        status: u8,
    },
    /// It arrived in accesses of this many bytes, or of different sizes.
    Split {
        /// Bytes of each access.
        size: Option<u64>,
        /// Whether the bytes arrived in reverse order.
        reversed: bool,
    },
    /// It fared worse.
    Other(Verdict),
}

/// Lengths from `from` to `to` that fare alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Stretch {
    pub from: u64,
    pub to: u64,
    /// The result of each.
    pub fate: Fate,
}

/// The results of block stores by length, in ascending order and without gaps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lengths(pub Vec<Stretch>);
