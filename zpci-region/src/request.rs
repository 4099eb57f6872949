//! The zPCI I/O region: one write of its request area is one PCISTB, PCISTG or PCILG.
//!
//! The layout is that of the kernel patch series zPCI I/O region (Dec 2020 RFC, Jan 2021 v1):
//!
//! | offset | field | access |
//! |---|---|---|
//! | 0 | header: flags u64 = 0, max u16, 6 reserved bytes | read |
//! | 16 | request: flags u64 (READ = 1, BLOCKW = 2, STORE = 4), gaddr u64, offset u64, reserved u32, len u16, pcias u8, reserved u8 | write |
//!
//! Fields are in host byte order; over a socket client and server run on one machine. Ours are
//! three additions. Behind the original 48 bytes, a store may append its payload to the 32 bytes of
//! the request, in the same write, and a load may leave its result, an 8-byte register image, at
//! [`RESULT_OFFSET`] to be read. And the flag STORE is a PCISTG, which the series has no request
//! for: its payload of 1 to 8 bytes, those of one doubleword, is always appended, in the order in
//! which the instruction stores them (the low bytes of the register, big endian).
//!
//! Answers to bad requests are those of the series where it has one, and else:
//!
//! | request | series | here | why |
//! |---|---|---|---|
//! | fewer than 32 bytes, or not at offset 16 | runs with stale fields | EINVAL | the caller cannot mean it |
//! | READ and BLOCKW (or STORE) | READ wins | EINVAL | two instructions, one answer |
//! | unknown flags beside a known one | ignored | EINVAL | a later meaning must not be lost |
//! | len 0 | left to the hardware | EINVAL | no such instruction |
//! | payload of other than len bytes, or with a load | did not exist | EINVAL | one of the lengths is wrong |
//! | STORE of more than 8 bytes, across a doubleword, without payload | did not exist | EINVAL | no such instruction |

use crate::access::{Failure, Instruction};

mod carrier;
mod wire;

pub use carrier::{Carrier, CarrierPolicy};
pub use wire::{read, read_header, region_size, register_image};

/// Index of the region among the function's regions: the first device-specific one.
pub const REGION_INDEX: u32 = 9;
/// Region type in its type capability: IBM's vendor type.
pub const REGION_TYPE: u32 = 0x8000_1014;
/// Region subtype in its type capability.
pub const REGION_SUBTYPE: u32 = 2;
/// Bytes of the header.
pub const HEADER_LEN: usize = 16;
/// Where the request area starts.
pub const REQUEST_OFFSET: u64 = 16;
/// Bytes of a request without payload.
pub const REQUEST_LEN: usize = 32;
/// Bytes of header and request: the region of the original series.
pub const ABI_LEN: u64 = 48;
/// Where the register image of the last load is read.
pub const RESULT_OFFSET: u64 = 48;
/// Bytes of a register image.
pub const RESULT_LEN: usize = 8;

const FLAG_READ: u64 = 1;
const FLAG_BLOCKW: u64 = 2;
const FLAG_STORE: u64 = 4;
const FLAGS: u64 = FLAG_READ | FLAG_BLOCKW | FLAG_STORE;

/// The instruction that a request stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// PCILG.
    Load,
    /// PCISTB.
    StoreBlock,
    /// PCISTG.
    Store,
}

impl Op {
    /// The instruction of a store.
    pub const fn store(self) -> Option<Instruction> {
        match self {
            Op::Load => None,
            Op::StoreBlock => Some(Instruction::Pcistb),
            Op::Store => Some(Instruction::Pcistg),
        }
    }
}

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The instruction.
    pub op: Op,
    /// Address of the caller's buffer; what it is an address of, [`Carrier`] tells.
    pub gaddr: u64,
    /// Byte offset in the address space.
    pub offset: u64,
    /// Bytes to be loaded or stored, at least 1.
    pub len: u16,
    /// Address space: the BAR number, 0..=5.
    pub pcias: u8,
    /// The bytes of a store, `len` of them, if the request brought them along.
    pub payload: Option<&'a [u8]>,
}

/// Why an access to the region was refused before any instruction was issued.
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
    #[error("zPCI I/O load with {appended} bytes appended: a load brings no payload")]
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
    #[error("zPCI I/O store with payload {seen}: the profile takes it {expected}")]
    WrongCarrier {
        /// Where the request has its payload.
        seen: &'static str,
        /// Where the profile wants it.
        expected: &'static str,
    },
}

impl RequestError {
    /// What the client is told.
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

impl<'a> Request<'a> {
    /// Understands a write of `bytes` at `offset` of the region.
    ///
    /// Length against the maximum, address space and `gaddr` are judged later, by the shape rules.
    pub fn parse(offset: u64, bytes: &'a [u8]) -> Result<Self, RequestError> {
        let len = bytes.len();
        if offset < REQUEST_OFFSET {
            return Err(RequestError::NotWritable { offset });
        }
        if offset >= ABI_LEN {
            return Err(RequestError::OutsideRegion { offset, len });
        }
        let partial = RequestError::PartialRequest { offset, len };
        if offset != REQUEST_OFFSET {
            return Err(partial);
        }
        let (request, appended) = bytes.split_at_checked(REQUEST_LEN).ok_or(partial)?;
        let (flags, gaddr, pci_offset, tail) = wire::fields(request).ok_or(partial)?;
        let op = match flags {
            FLAG_READ => Op::Load,
            FLAG_BLOCKW => Op::StoreBlock,
            FLAG_STORE => Op::Store,
            _ if flags & FLAGS == 0 => {
                return Err(RequestError::NoInstruction { flags });
            }
            _ => return Err(RequestError::AmbiguousFlags { flags }),
        };
        let (len, pcias) = tail;
        if len == 0 {
            return Err(RequestError::Empty);
        }
        if op == Op::Store && (pci_offset % 8).saturating_add(len.into()) > 8 {
            let offset = pci_offset;
            return Err(RequestError::NoRegisterStore { offset, len });
        }
        let payload = match op {
            Op::Load | Op::StoreBlock if appended.is_empty() => None,
            Op::StoreBlock | Op::Store if appended.len() == usize::from(len) => Some(appended),
            Op::StoreBlock | Op::Store => {
                return Err(RequestError::PayloadLength {
                    len,
                    appended: appended.len(),
                });
            }
            Op::Load => {
                return Err(RequestError::LoadWithPayload {
                    appended: appended.len(),
                });
            }
        };
        Ok(Self {
            op,
            gaddr,
            offset: pci_offset,
            len,
            pcias,
            payload,
        })
    }

    /// The bytes to write at [`REQUEST_OFFSET`]: the request and, if there is one, its payload.
    pub fn encode(&self) -> Vec<u8> {
        let flags = match self.op {
            Op::Load => FLAG_READ,
            Op::StoreBlock => FLAG_BLOCKW,
            Op::Store => FLAG_STORE,
        };
        let payload = self.payload.unwrap_or_default();
        let mut bytes = Vec::with_capacity(REQUEST_LEN + payload.len());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(self.gaddr.to_ne_bytes());
        bytes.extend(self.offset.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.len.to_ne_bytes());
        bytes.extend([self.pcias, 0]);
        bytes.extend(payload);
        bytes
    }
}

#[cfg(test)]
mod tests;
