//! One request of the zPCI I/O region as a value.

use super::error::RequestError;
use super::layout::{ABI_LEN, REQUEST_LEN, REQUEST_OFFSET};
use crate::access::Instruction;

const FLAG_READ: u64 = 1;
const FLAG_BLOCKW: u64 = 2;
const FLAG_STORE: u64 = 4;
const FLAGS: u64 = FLAG_READ | FLAG_BLOCKW | FLAG_STORE;

/// The instruction that a request stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// PCILG loads a register.
    Load,
    /// PCISTB stores a block from memory.
    StoreBlock,
    /// PCISTG stores a register.
    Store,
}

impl Op {
    /// The instruction, if it is a store.
    pub const fn store(self) -> Option<Instruction> {
        match self {
            Op::Load => None,
            Op::StoreBlock => Some(Instruction::Pcistb),
            Op::Store => Some(Instruction::Pcistg),
        }
    }
}

/// One request of the zPCI I/O region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The instruction to execute.
    pub op: Op,
    /// Address of the caller's buffer. The [`Carrier`](super::Carrier) decides its address space.
    pub gaddr: u64,
    /// Byte offset in the address space.
    pub offset: u64,
    /// Number of bytes to load or store, at least 1.
    pub len: u16,
    /// Address space: the BAR number, 0..=5.
    pub pcias: u8,
    /// The `len` bytes of a store, if they were appended to the request.
    pub payload: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    /// Parses a write of `bytes` at `offset` of the region.
    ///
    /// The shape rules later judge the length against the maximum, the address space and `gaddr`.
    ///
    /// # Errors
    /// The [`RequestError`] of the table in the module's description: the write is no whole request, its flags name
    /// no single instruction, or its lengths contradict each other.
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
        let (flags, gaddr, pci_offset, tail) = fields(request).ok_or(partial)?;
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

    /// Returns the bytes to write at [`REQUEST_OFFSET`]: the request and its payload, if there is one.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(REQUEST_LEN + self.payload.unwrap_or_default().len());
        self.encode_into(&mut bytes);
        bytes
    }

    /// Appends the same bytes to `out`. A caller may append the payload itself instead.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        let flags = match self.op {
            Op::Load => FLAG_READ,
            Op::StoreBlock => FLAG_BLOCKW,
            Op::Store => FLAG_STORE,
        };
        out.extend_from_slice(&flags.to_ne_bytes());
        out.extend_from_slice(&self.gaddr.to_ne_bytes());
        out.extend_from_slice(&self.offset.to_ne_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.len.to_ne_bytes());
        out.extend_from_slice(&[self.pcias, 0]);
        out.extend_from_slice(self.payload.unwrap_or_default());
    }
}

/// Returns flags, gaddr, offset and (len, pcias) of a 32-byte request; `None` if it is shorter.
fn fields(request: &[u8]) -> Option<(u64, u64, u64, (u16, u8))> {
    let (flags, rest) = request.split_first_chunk()?;
    let (gaddr, rest) = rest.split_first_chunk()?;
    let (offset, rest) = rest.split_first_chunk()?;
    let (_reserved, rest) = rest.split_first_chunk::<4>()?;
    let (len, rest) = rest.split_first_chunk()?;
    let pcias = *rest.first()?;
    Some((
        u64::from_ne_bytes(*flags),
        u64::from_ne_bytes(*gaddr),
        u64::from_ne_bytes(*offset),
        (u16::from_ne_bytes(*len), pcias),
    ))
}
