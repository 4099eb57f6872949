//! Requests that make no sense.

use crate::access::Failure;

/// An access to the region that the server refuses before it issues any instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A read that touches the request area.
    #[error(
        "read of {len} bytes at offset {offset} of the zPCI I/O region: only its 16-byte header can be read"
    )]
    NotReadable {
        /// Offset in the region.
        offset: u64,
        /// Bytes asked for.
        len: usize,
    },
    /// A write that touches the header.
    #[error(
        "write at offset {offset} of the zPCI I/O region: its 16-byte header cannot be written"
    )]
    NotWritable {
        /// Offset in the region.
        offset: u64,
    },
    /// An access behind what the region has.
    #[error("access of {len} bytes at offset {offset} of the zPCI I/O region: nothing is there")]
    OutsideRegion {
        /// Offset in the region.
        offset: u64,
        /// Bytes of the access.
        len: usize,
    },
    /// A write that is not a whole request.
    #[error(
        "write of {len} bytes at offset {offset} of the zPCI I/O region: a request is written whole, at least 32 bytes at offset 16"
    )]
    PartialRequest {
        /// Offset in the region.
        offset: u64,
        /// Bytes written.
        len: usize,
    },
    /// No known flag.
    #[error(
        "zPCI I/O request with flags {flags:#x}: expected 1 (load), 2 (store block) or 4 (store)"
    )]
    NoInstruction {
        /// The flags.
        flags: u64,
    },
    /// More than one flag.
    #[error(
        "zPCI I/O request with flags {flags:#x}: expected exactly one of 1 (load), 2 (store block) and 4 (store)"
    )]
    AmbiguousFlags {
        /// The flags.
        flags: u64,
    },
    /// A length of 0.
    #[error("zPCI I/O request of length 0: expected at least 1 byte")]
    Empty,
    /// Appended bytes that are not the store's.
    #[error(
        "zPCI I/O store of {len} bytes with {appended} bytes appended: expected {len}, or none with a block store"
    )]
    PayloadLength {
        /// Length in the request.
        len: u16,
        /// Bytes behind the request.
        appended: usize,
    },
    /// Bytes appended to a load.
    #[error(
        "zPCI I/O load with {appended} bytes appended: expected none, because a load has no payload"
    )]
    LoadWithPayload {
        /// Bytes behind the request.
        appended: usize,
    },
    /// A PCISTG that there is not.
    #[error(
        "zPCI I/O store of a register's {len} bytes at offset {offset:#x}: expected 1 to 8, all in one doubleword"
    )]
    NoRegisterStore {
        /// Offset in the address space.
        offset: u64,
        /// Length in the request.
        len: u16,
    },
    /// A payload where the profile has another carrier, or none where it has to be appended.
    #[error("zPCI I/O store with payload {seen}: expected it {expected}, as the profile says")]
    WrongCarrier {
        /// The carrier that the request uses.
        seen: &'static str,
        /// The carrier that the profile demands.
        expected: &'static str,
    },
}

impl RequestError {
    /// The kind of error that the client gets.
    pub const fn failure(&self) -> Failure {
        match self {
            Self::NotReadable { .. } | Self::NotWritable { .. } => Failure::Fault,
            Self::NoInstruction { .. } => Failure::Io,
            Self::OutsideRegion { .. }
            | Self::PartialRequest { .. }
            | Self::AmbiguousFlags { .. }
            | Self::Empty
            | Self::PayloadLength { .. }
            | Self::LoadWithPayload { .. }
            | Self::NoRegisterStore { .. }
            | Self::WrongCarrier { .. } => Failure::Invalid,
        }
    }
}
