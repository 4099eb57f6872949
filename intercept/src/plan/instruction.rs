//! The zPCI instructions.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr};

/// The instruction that a case executes.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, EnumString, IntoStaticStr,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Instruction {
    /// Store a block.
    #[default]
    Pcistb,
    /// Store 1 to 8 bytes from a register.
    Pcistg,
    /// Load 1 to 8 bytes into a register.
    Pcilg,
    /// Store a block, MIO form.
    Pcistbi,
    /// Store, MIO form.
    Pcistgi,
    /// Load, MIO form.
    Pcilgi,
    /// MIO write barrier.
    Pciwb,
    /// Refresh address translations.
    Rpcit,
    /// Modify function controls.
    Mpcifc,
    /// Store function controls.
    Stpcifc,
    /// Call logical processor: list, query, enable and disable functions.
    Clp,
    /// Set interruption controls.
    Sic,
    /// Channel subsystem call: store event information, which reports PCI events.
    Chsc,
}

impl Instruction {
    /// The conventional mnemonic, in lower case.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether it belongs to the memory I/O (MIO) facility, which ISM functions do not offer.
    pub const fn is_mio(self) -> bool {
        matches!(
            self,
            Self::Pcistbi | Self::Pcistgi | Self::Pcilgi | Self::Pciwb
        )
    }

    /// Whether its second operand is a block in guest memory.
    pub const fn has_block(self) -> bool {
        matches!(self, Self::Pcistb | Self::Pcistbi | Self::Mpcifc) || self.writes_block()
    }

    /// Whether it writes to guest memory.
    pub const fn writes_block(self) -> bool {
        matches!(self, Self::Stpcifc | Self::Clp | Self::Chsc)
    }

    /// Whether it stores to a function's memory or loads from it.
    pub const fn moves(self) -> bool {
        matches!(self, Self::Pcistb | Self::Pcistg | Self::Pcilg)
    }

    /// Bytes of its machine code.
    pub const fn size(self) -> u8 {
        match self {
            Self::Pcistb | Self::Pcistbi | Self::Mpcifc | Self::Stpcifc | Self::Sic => 6,
            _ => 4,
        }
    }
}
