//! Errors in requests of the zPCI I/O region.

use crate::access::Failure;

/// An invalid access to the region. The server refuses it before it issues any instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The client read from the request area.
    #[error(
        "read of {len} bytes at offset {offset} of the zPCI I/O region: only its 16-byte header can be read"
    )]
    NotReadable {
        /// Offset in the region.
        offset: u64,
        /// Number of bytes to read.
        len: usize,
    },
    /// The client wrote to the header.
    #[error(
        "write at offset {offset} of the zPCI I/O region: its 16-byte header cannot be written"
    )]
    NotWritable {
        /// Offset in the region.
        offset: u64,
    },
    /// The access is past the end of the region.
    #[error("access of {len} bytes at offset {offset} of the zPCI I/O region: nothing is there")]
    OutsideRegion {
        /// Offset in the region.
        offset: u64,
        /// Number of bytes of the access.
        len: usize,
    },
    /// The write is not one complete request.
    #[error(
        "write of {len} bytes at offset {offset} of the zPCI I/O region: a request is written whole, at least 32 bytes at offset 16"
    )]
    PartialRequest {
        /// Offset in the region.
        offset: u64,
        /// Number of bytes written.
        len: usize,
    },
    /// The request has no known flag.
    #[error(
        "zPCI I/O request with flags {flags:#x}: expected 1 (load), 2 (store block) or 4 (store)"
    )]
    NoInstruction {
        /// The flags of the request.
        flags: u64,
    },
    /// The request has more than one flag.
    #[error(
        "zPCI I/O request with flags {flags:#x}: expected exactly one of 1 (load), 2 (store block) and 4 (store)"
    )]
    AmbiguousFlags {
        /// The flags of the request.
        flags: u64,
    },
    /// The request has a length of 0.
    #[error("zPCI I/O request of length 0: expected at least 1 byte")]
    Empty,
    /// The number of appended bytes is not the length of the store.
    #[error(
        "zPCI I/O store of {len} bytes with {appended} bytes appended: expected {len}, or none with a block store"
    )]
    PayloadLength {
        /// Length in the request.
        len: u16,
        /// Number of bytes after the request.
        appended: usize,
    },
    /// A load has appended bytes.
    #[error(
        "zPCI I/O load with {appended} bytes appended: expected none, because a load has no payload"
    )]
    LoadWithPayload {
        /// Number of bytes after the request.
        appended: usize,
    },
    /// No PCISTG has this length and offset.
    #[error(
        "zPCI I/O store of a register's {len} bytes at offset {offset:#x}: expected 1 to 8, all in one doubleword"
    )]
    NoRegisterStore {
        /// Offset in the address space.
        offset: u64,
        /// Length in the request.
        len: u16,
    },
    /// The payload is not where the profile expects it.
    #[error("zPCI I/O store with payload {seen}: expected it {expected}, as the profile says")]
    WrongCarrier {
        /// The carrier that the request uses.
        seen: &'static str,
        /// The carrier that the profile demands.
        expected: &'static str,
    },
}

impl RequestError {
    /// The kind of error for the client.
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
