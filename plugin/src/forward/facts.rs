// SPDX-License-Identifier: GPL-2.0-or-later
//! What a server says of its function: limits and sizes.
//!
//! Layout of the capabilities: Linux `include/uapi/linux/vfio_zdev.h`; the relaxed flag is that of
//! the kernel patch series "zPCI I/O region" (January 2021).

/// Capability with the facts of the function's group.
const CAP_GROUP: u16 = 2;
/// The group takes block stores of any length and alignment.
const GROUP_RELAXED: u64 = 2;

/// Limits of a function, by which its instructions are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionFacts {
    /// Longest block store in bytes.
    pub max_store_block: u16,
    /// Whether block stores of any length and alignment are taken.
    pub relaxed: bool,
    /// Bytes of each BAR; 0 for none.
    pub bars: [u64; 6],
}

impl FunctionFacts {
    /// Reads the group capability of `info`, the body of an answer to DEVICE_GET_INFO whose chain
    /// of capabilities starts at `first`. The BAR sizes are left 0.
    ///
    /// # Errors
    /// Says what is missing.
    pub fn read(info: &[u8], first: usize) -> Result<Self, String> {
        let mut at = first;
        let mut seen = 0;
        loop {
            let capability = info
                .get(at..)
                .filter(|_| at >= first)
                .ok_or("a capability lies outside the device info")?;
            let field = |offset: usize| capability.get(offset..offset + 8)?.first_chunk::<8>();
            let head = field(0).ok_or("a capability is cut short")?;
            let [id0, id1, version0, version1, next @ ..] = *head;
            if u16::from_ne_bytes([id0, id1]) == CAP_GROUP {
                let version = u16::from_ne_bytes([version0, version1]);
                return Self::group(capability, version)
                    .ok_or_else(|| "the group capability is cut short".to_owned());
            }
            seen += 1;
            at = u32::from_ne_bytes(next) as usize;
            if at == 0 || seen > info.len() {
                return Err("the device info has no group capability (id 2)".into());
            }
        }
    }

    /// u64 flags at 24, u16 maximum at 36; version 2 has the hardware's own maximum at 40.
    fn group(capability: &[u8], version: u16) -> Option<Self> {
        let flags = u64::from_ne_bytes(*capability.get(24..)?.first_chunk()?);
        let maximum = if version >= 2 { 40 } else { 36 };
        Some(Self {
            max_store_block: u16::from_ne_bytes(*capability.get(maximum..)?.first_chunk()?),
            relaxed: flags & GROUP_RELAXED != 0,
            bars: [0; 6],
        })
    }
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
            assert_eq!((read.max_store_block, read.relaxed), (maxstbl, relaxed));
        }
    }

    #[test]
    fn version_1_has_one_maximum() {
        let mut info = vec![0; 24];
        info.extend([2, 0, 1, 0]);
        info.resize(64, 0);
        info[24 + 36..24 + 38].copy_from_slice(&96_u16.to_ne_bytes());
        let read = FunctionFacts::read(&info, 24).unwrap();
        assert_eq!((read.max_store_block, read.relaxed), (96, false));
    }

    #[test]
    fn broken_chains_are_refused() {
        let whole = info(&ClpFacts::default());
        for length in 0..96 {
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
        let mut ring = whole;
        ring[28..32].copy_from_slice(&24_u32.to_ne_bytes());
        for chain in [none, back, ring] {
            assert!(FunctionFacts::read(&chain, 24).is_err());
        }
    }
}
