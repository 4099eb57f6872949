// SPDX-License-Identifier: GPL-2.0-or-later
//! A server's facts about its function: limits and sizes.
//!
//! Layout of the capabilities: Linux `include/uapi/linux/vfio_zdev.h`; the relaxed flag is that of
//! the kernel patch series "zPCI I/O region" (January 2021).

/// Capabilities with the facts of the function, of its group, and with its utility string.
const CAP_BASE: u16 = 1;
const CAP_GROUP: u16 = 2;
const CAP_UTIL: u16 = 3;
/// The group takes block stores of any length and alignment.
const GROUP_RELAXED: u64 = 2;
/// Bytes of a utility string.
pub(crate) const UTIL_LENGTH: usize = 64;

/// Limits of a function, by which its instructions are checked, and what CLP should tell of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FunctionFacts {
    /// Longest block store in bytes.
    pub maxstbl: u16,
    /// Whether block stores of any length and alignment are taken.
    pub relaxed: bool,
    /// Bytes of each BAR; 0 for none.
    pub bars: [u64; 6],
    /// Physical channel id; 0 if the server does not say.
    pub pchid: u16,
    /// Utility string (EBCDIC), if there is one.
    pub util: Option<[u8; UTIL_LENGTH]>,
    /// Function type; 0 if the server does not say.
    pub function_type: u8,
    /// DMA address space mask of the group.
    pub dma_mask: u64,
    /// Number of interrupts.
    pub interrupts: u16,
}

impl FunctionFacts {
    /// Reads the capabilities of `info`, the body of an answer to DEVICE_GET_INFO whose chain of
    /// capabilities starts at `first`. The BAR sizes are left 0.
    ///
    /// # Errors
    /// Says what is missing.
    pub(crate) fn read(info: &[u8], first: usize) -> Result<Self, String> {
        let mut group = None;
        let (mut pchid, mut function_type, mut util) = (0, 0, None);
        let mut at = first;
        let mut seen = 0;
        loop {
            let capability = info
                .get(at..)
                .filter(|_| at >= first)
                .ok_or("a capability lies outside the device info")?;
            let head = capability
                .first_chunk::<8>()
                .ok_or("a capability is cut short")?;
            let [id0, id1, version0, version1, next @ ..] = *head;
            let id = u16::from_ne_bytes([id0, id1]);
            let read = match id {
                CAP_BASE => half(capability, 24)
                    .zip(capability.get(30))
                    .map(|(channel, kind)| (pchid, function_type) = (channel, *kind)),
                CAP_GROUP => {
                    let version = u16::from_ne_bytes([version0, version1]);
                    limits(capability, version).map(|limits| group = Some(limits))
                }
                CAP_UTIL => string(capability).map(|value| util = Some(value)),
                _ => Some(()),
            };
            read.ok_or_else(|| format!("the capability with id {id} is cut short"))?;
            seen += 1;
            at = u32::from_ne_bytes(next) as usize;
            if at == 0 {
                break;
            }
            if seen > info.len() {
                return Err("the chain of capabilities has no end".into());
            }
        }
        let limits = group.ok_or("the device info has no group capability (id 2)")?;
        Ok(Self {
            maxstbl: limits.maxstbl,
            relaxed: limits.relaxed,
            bars: [0; 6],
            pchid,
            util: util.filter(|util| *util != [0; UTIL_LENGTH]),
            function_type,
            dma_mask: limits.dma_mask,
            interrupts: limits.interrupts,
        })
    }
}

/// The facts in a group's capability.
struct Limits {
    maxstbl: u16,
    relaxed: bool,
    dma_mask: u64,
    interrupts: u16,
}

/// u64 DMA mask at 8, u64 flags at 24, u16 interrupts at 34, u16 maximum at 36; version 2 has the hardware's own
/// maximum at 40.
fn limits(capability: &[u8], version: u16) -> Option<Limits> {
    let word = |at: usize| {
        let bytes = capability.get(at..)?.first_chunk()?;
        Some(u64::from_ne_bytes(*bytes))
    };
    Some(Limits {
        maxstbl: half(capability, if version >= 2 { 40 } else { 36 })?,
        relaxed: word(24)? & GROUP_RELAXED != 0,
        dma_mask: word(8)?,
        interrupts: half(capability, 34)?,
    })
}

/// u32 length at 8, the string at 12.
fn string(capability: &[u8]) -> Option<[u8; UTIL_LENGTH]> {
    capability.get(12..)?.first_chunk().copied()
}

fn half(capability: &[u8], at: usize) -> Option<u16> {
    let bytes = capability.get(at..)?.first_chunk()?;
    Some(u16::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zpci_region::clp::{ClpFacts, device_info_capabilities};

    /// A device info with these facts, as the server makes it.
    fn info(facts: &ClpFacts) -> Vec<u8> {
        let mut info = vec![0xAA; 24];
        info.extend(device_info_capabilities(facts, 24));
        info
    }

    #[test]
    fn the_group_tells_maximum_and_alignment() {
        for (maxstbl, relaxed) in [(4096, true), (128, false)] {
            let facts = ClpFacts {
                maxstbl,
                relaxed,
                ..ClpFacts::default()
            };
            let read = FunctionFacts::read(&info(&facts), 24).unwrap();
            assert_eq!((read.maxstbl, read.relaxed), (maxstbl, relaxed));
        }
    }

    #[test]
    fn the_function_has_a_channel_id_and_may_have_a_utility_string() {
        let mut facts = ClpFacts {
            pchid: 0x0123,
            ..ClpFacts::default()
        };
        let read = |facts: &ClpFacts| FunctionFacts::read(&info(facts), 24).unwrap();
        assert_eq!((read(&facts).pchid, read(&facts).util), (0x0123, None));
        facts.util_str[3] = 0xC1;
        assert_eq!(read(&facts).util, Some(facts.util_str));
    }

    #[test]
    fn version_1_has_one_maximum() {
        let mut info = vec![0; 24];
        info.extend([2_u16, 1].map(u16::to_ne_bytes).concat());
        info.resize(64, 0);
        info[24 + 36..24 + 38].copy_from_slice(&96_u16.to_ne_bytes());
        let read = FunctionFacts::read(&info, 24).unwrap();
        assert_eq!((read.maxstbl, read.relaxed), (96, false));
    }

    #[test]
    fn broken_chains_are_refused() {
        let whole = info(&ClpFacts::default());
        for length in 0..whole.len() - 8 {
            assert!(
                FunctionFacts::read(&whole[..length], 24).is_err(),
                "{length}"
            );
        }
        // A chain without group, one that points backwards, one that is a ring.
        let mut none = whole.clone();
        none[28..32].fill(0);
        let mut back = whole.clone();
        back[28..32].copy_from_slice(&8_u32.to_ne_bytes());
        back[8..16].copy_from_slice(&[2_u16, 1, 0, 0].map(u16::to_ne_bytes).concat());
        let mut ring = whole;
        ring[28..32].copy_from_slice(&24_u32.to_ne_bytes());
        for chain in [none, back, ring] {
            assert!(FunctionFacts::read(&chain, 24).is_err());
        }
    }
}
