//! An access that the device saw.

use crate::plan::hex;
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr};

/// The kind of an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, EnumString, IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Access {
    /// A store to a BAR, by any path.
    Store,
    /// A load from a BAR, by any path.
    Load,
    /// A store to config space.
    ConfigWrite,
    /// A load from config space.
    ConfigRead,
}

impl Access {
    /// Whether the access sends bytes to the device.
    #[must_use]
    pub const fn is_store(self) -> bool {
        matches!(self, Self::Store | Self::ConfigWrite)
    }

    /// Name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether the access is to config space.
    #[must_use]
    pub const fn is_config(self) -> bool {
        matches!(self, Self::ConfigRead | Self::ConfigWrite)
    }
}

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
        self.result == "accepted"
    }
}

fn is_zero(value: &u8) -> bool {
    *value == 0
}
