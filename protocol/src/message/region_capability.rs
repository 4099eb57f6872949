//! The capability chain of DEVICE_GET_REGION_INFO (Linux `struct vfio_info_cap_header`). Each capability
//! begins with u16 id, u16 version, and u32 offset of the next one from the start of the body (0 for none).

use crate::error::Refused;
use crate::wire::{Put, Reader};

/// Id of VFIO_REGION_INFO_CAP_SPARSE_MMAP: u32 areas, u32 reserved, then u64 offset and u64 size of each
/// area.
const SPARSE_MMAP: u16 = 1;
/// Id of VFIO_REGION_INFO_CAP_TYPE: u32 type, u32 subtype.
const TYPE: u16 = 2;
/// Id of VFIO_REGION_INFO_CAP_MSIX_MAPPABLE: no data.
const MSIX_MAPPABLE: u16 = 3;
/// Bytes of id, version and next offset.
const HEADER_LEN: usize = 8;
/// Largest number of capabilities of one region. A longer chain counts as endless.
const MAX_CHAIN: usize = 64;

/// A part of a region that the client may map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MmapArea {
    /// Offset of the first byte in the region.
    pub offset: u64,
    /// Size in bytes.
    pub size: u64,
}

/// A fact about a region that its fixed fields do not contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegionCapability {
    /// The client can map only these parts of the region.
    SparseMmap(Vec<MmapArea>),
    /// The region has a type that the device defines.
    Type {
        /// Type of the region.
        kind: u32,
        /// Subtype of the region.
        subtype: u32,
    },
    /// The client may map the MSI-X table along with the rest of its region.
    MsixMappable,
    /// A capability with another id. It is skipped on reading and cannot be sent.
    Other(u16),
}

impl RegionCapability {
    fn id(&self) -> u16 {
        match self {
            RegionCapability::SparseMmap(_) => SPARSE_MMAP,
            RegionCapability::Type { .. } => TYPE,
            RegionCapability::MsixMappable => MSIX_MAPPABLE,
            RegionCapability::Other(id) => *id,
        }
    }

    fn len(&self) -> usize {
        let data = match self {
            RegionCapability::SparseMmap(areas) => areas.len().saturating_mul(16).saturating_add(8),
            RegionCapability::Type { .. } => 8,
            RegionCapability::MsixMappable | RegionCapability::Other(_) => 0,
        };
        data.saturating_add(HEADER_LEN)
    }

    fn encode(&self, next: u32, out: &mut Vec<u8>) {
        out.put_u16(self.id());
        out.put_u16(1);
        out.put_u32(next);
        match self {
            RegionCapability::SparseMmap(areas) => {
                out.put_u32(areas.len() as u32);
                out.put_u32(0);
                for area in areas {
                    out.put_u64(area.offset);
                    out.put_u64(area.size);
                }
            }
            RegionCapability::Type { kind, subtype } => {
                out.put_u32(*kind);
                out.put_u32(*subtype);
            }
            RegionCapability::MsixMappable | RegionCapability::Other(_) => {}
        }
    }

    fn decode(id: u16, mut reader: Reader<'_>) -> Result<Self, Refused> {
        Ok(match id {
            SPARSE_MMAP => {
                let (areas, _reserved) = (reader.u32()?, reader.u32()?);
                // The bytes are read before memory is reserved, because the peer may send any number.
                let bytes = reader.bytes((areas as usize).saturating_mul(16))?;
                let area = |bytes| {
                    let mut reader = Reader::new("mappable area", bytes);
                    let (offset, size) = (reader.u64()?, reader.u64()?);
                    Ok(MmapArea { offset, size })
                };
                let areas = bytes.chunks_exact(16).map(area);
                RegionCapability::SparseMmap(areas.collect::<Result<_, Refused>>()?)
            }
            TYPE => RegionCapability::Type {
                kind: reader.u32()?,
                subtype: reader.u32()?,
            },
            MSIX_MAPPABLE => RegionCapability::MsixMappable,
            other => RegionCapability::Other(other),
        })
    }
}

/// Number of bytes of a chain.
pub(super) fn chain_len(capabilities: &[RegionCapability]) -> usize {
    let lengths = capabilities.iter().map(RegionCapability::len);
    lengths.fold(0, usize::saturating_add)
}

/// Appends a chain that begins `start` bytes into the body.
pub(super) fn encode_chain(capabilities: &[RegionCapability], start: u32, out: &mut Vec<u8>) {
    let mut at = start;
    let mut rest = capabilities.iter().peekable();
    while let Some(capability) = rest.next() {
        at = at.saturating_add(capability.len() as u32);
        let next = if rest.peek().is_some() { at } else { 0 };
        capability.encode(next, out);
    }
}

/// Reads the chain that begins at `start` in `body`, the whole body. The error is a refusal of a chain that
/// runs backwards, leaves the body or is too long.
pub(super) fn decode_chain(body: &[u8], start: u32) -> Result<Vec<RegionCapability>, Refused> {
    let mut capabilities = Vec::new();
    let mut at = start;
    while at != 0 {
        if capabilities.len() == MAX_CHAIN {
            return Err(Refused::invalid(format!(
                "region capabilities: more than {MAX_CHAIN}"
            )));
        }
        let bytes = body.get(at as usize..).unwrap_or_default();
        let mut reader = Reader::new("region capability", bytes);
        let (id, _version, next) = (reader.u16()?, reader.u16()?, reader.u32()?);
        if next != 0 && next <= at {
            return Err(Refused::invalid(format!(
                "region capabilities: the one at {at} points back to {next}"
            )));
        }
        capabilities.push(RegionCapability::decode(id, reader)?);
        at = next;
    }
    Ok(capabilities)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<RegionCapability> {
        let area = |offset| MmapArea { offset, size: 4096 };
        vec![
            RegionCapability::SparseMmap(vec![area(0), area(1 << 40)]),
            RegionCapability::MsixMappable,
            RegionCapability::Type {
                kind: 0x8000_1014,
                subtype: 2,
            },
        ]
    }

    #[test]
    fn a_chain_is_read_as_it_was_written() {
        for from in 0..=all().len() {
            let capabilities = &all()[from..];
            let mut body = vec![0; 32];
            encode_chain(capabilities, 32, &mut body);
            assert_eq!(body.len() - 32, chain_len(capabilities));
            let start = if capabilities.is_empty() { 0 } else { 32 };
            assert_eq!(decode_chain(&body, start).unwrap(), capabilities);
            for cut in 33..body.len() {
                assert!(decode_chain(&body[..cut], 32).is_err(), "cut at {cut}");
            }
        }
    }

    #[test]
    fn the_layout_is_that_of_linux() {
        let mut body = Vec::new();
        encode_chain(&all()[1..], 0x20, &mut body);
        let words: Vec<u32> = body
            .chunks_exact(4)
            .map(|word| u32::from_ne_bytes(word.try_into().unwrap()))
            .collect();
        let id = |id: u16| {
            let [a, b] = id.to_ne_bytes();
            let [c, d] = 1u16.to_ne_bytes();
            u32::from_ne_bytes([a, b, c, d])
        };
        assert_eq!(words, [id(3), 0x28, id(2), 0, 0x8000_1014, 2]);
    }

    #[test]
    fn a_chain_that_runs_backwards_or_out_is_refused() {
        let link = |next: u32| {
            let mut body = vec![0; 32];
            body.put_u16(99);
            body.put_u16(1);
            body.put_u32(next);
            body
        };
        assert_eq!(
            decode_chain(&link(0), 32).unwrap(),
            [RegionCapability::Other(99)]
        );
        for next in [1, 32, 33, 40, u32::MAX] {
            assert!(decode_chain(&link(next), 32).is_err(), "{next}");
        }
        let mut sparse = vec![0; 8];
        sparse.put_u16(SPARSE_MMAP);
        sparse.put_u16(1);
        sparse.put_u32(0);
        sparse.put_u32(u32::MAX);
        sparse.put_u32(0);
        assert!(decode_chain(&sparse, 8).is_err());
    }
}
