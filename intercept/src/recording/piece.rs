//! An access that the device saw.

use crate::plan::hex;
use records::event::ACCEPTED;
pub use records::event::AccessKind as Access;
use serde::{Deserialize, Serialize};

/// One access that the device saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Piece {
    /// Number of the function, from 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub function: u8,
    /// The kind of access.
    pub access: Access,
    /// The path of the access: `bar`, `region`, or `config`.
    pub path: String,
    /// Address space.
    pub space: u8,
    /// Offset in the address space.
    pub offset: u64,
    /// The bytes of a store, or of the answer to a load, in the order of transfer.
    #[serde(with = "hex")]
    pub bytes: Vec<u8>,
    /// `accepted`, or the reason why the device refused it.
    pub result: String,
}

impl Piece {
    /// The offset after its last byte.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes.len() as u64)
    }

    /// Whether the device carried out the access.
    #[must_use]
    pub fn accepted(&self) -> bool {
        self.result == ACCEPTED
    }
}

fn is_zero(value: &u8) -> bool {
    *value == 0
}
