//! The four events of accesses as one type.

use serde::{Deserialize, Serialize};

use super::kinds::Event;

/// The kind of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessKind {
    /// A store to a BAR, by any path.
    Store,
    /// A load from a BAR, by any path.
    Load,
    /// A store to config space.
    ConfigWrite,
    /// A load from config space.
    ConfigRead,
}

impl AccessKind {
    /// True if the access sends bytes to the device.
    #[must_use]
    pub const fn is_store(self) -> bool {
        matches!(self, Self::Store | Self::ConfigWrite)
    }

    /// True if the access is to config space.
    #[must_use]
    pub const fn is_config(self) -> bool {
        matches!(self, Self::ConfigRead | Self::ConfigWrite)
    }

    /// The name of its event.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Load => "load",
            Self::ConfigWrite => "config-write",
            Self::ConfigRead => "config-read",
        }
    }
}

/// A store to a function or a load from it.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// The kind of access.
    pub kind: AccessKind,
    /// `region`, `bar`, `bar-multi`; or `config`, which has no other path.
    pub path: &'a str,
    /// The address space: a BAR, or 15 for config space.
    pub pcias: u8,
    /// Offset in the address space.
    pub offset: u64,
    /// Length in bytes.
    pub length: usize,
    /// The bytes that the event shows.
    pub bytes: &'a [u8],
    /// True for a store that nobody waited for.
    pub posted: bool,
    /// `accepted`, or the reason why the device refused it.
    pub result: &'a str,
}

impl<A> Event<'_, A> {
    /// Returns the access, if the event is one.
    #[must_use]
    pub fn access(&self) -> Option<Access<'_>> {
        let (kind, path, pcias, posted) = match self {
            Self::Store {
                path,
                pcias,
                posted,
                ..
            } => (AccessKind::Store, &**path, *pcias, *posted),
            Self::Load { path, pcias, .. } => (AccessKind::Load, &**path, *pcias, false),
            Self::ConfigWrite { .. } => (AccessKind::ConfigWrite, "config", 15, false),
            Self::ConfigRead { .. } => (AccessKind::ConfigRead, "config", 15, false),
            _ => return None,
        };
        match self {
            Self::Store {
                offset,
                length,
                bytes,
                result,
                ..
            }
            | Self::Load {
                offset,
                length,
                bytes,
                result,
                ..
            }
            | Self::ConfigWrite {
                offset,
                length,
                bytes,
                result,
            }
            | Self::ConfigRead {
                offset,
                length,
                bytes,
                result,
            } => Some(Access {
                kind,
                path,
                pcias,
                offset: *offset,
                length: *length,
                bytes: bytes.shown(),
                posted,
                result,
            }),
            _ => None,
        }
    }
}
