//! The results of block stores by length, as in a recording.

use crate::verdict::kind::Verdict;
use serde::{Deserialize, Serialize};

/// The result of a block store that should arrive in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It arrived as one access with the right bytes.
    Whole,
    /// QEMU refused it.
    Refused {
        /// The program interruption code. None if it was a condition code.
        exception: Option<u16>,
        /// The condition code.
        condition: u8,
        /// The status beside the condition code.
        status: u8,
    },
    /// It arrived in accesses of this many bytes, or of different sizes.
    Split {
        /// Bytes of each access.
        size: Option<u64>,
        /// Whether the bytes arrived in reverse order.
        reversed: bool,
    },
    /// It has another verdict.
    Other(Verdict),
}

/// Lengths from `from` to `to` with the same result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Stretch {
    pub from: u64,
    pub to: u64,
    /// The result of each length.
    pub fate: Fate,
}

/// The results of block stores by length, in ascending order and without gaps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lengths(pub Vec<Stretch>);
