// SPDX-License-Identifier: GPL-2.0-or-later
//! Completes CLP responses about forwarded functions with the facts of their servers.
//!
//! QEMU answers with its facts about any emulated function: no channel id, block stores of 128 bytes.
//! Layouts: Linux `arch/s390/include/asm/pci_clp.h`; the kernel patch series "zPCI I/O region" (January 2021)
//! defines the relaxed flag. Unless the user asks for all facts, the function type stays 0: for an ISM
//! function, Linux registers a DMA window that is one page longer than QEMU accepts.

use zpci_region::clp::ClpFacts;

/// Offsets in the response to a function query: flags, channel id, utility string.
const FUNCTION_FLAGS: usize = 18;
const FUNCTION_PCHID: usize = 30;
const FUNCTION_UTIL: usize = 128;
const FUNCTION_TYPE: usize = 63;
const UTIL_VALID: u8 = 0x01;
/// Offsets in the response to a group query: flags, and the longest block store in the low 13 bits of a
/// halfword.
const GROUP_FLAGS: usize = 19;
const GROUP_MAXIMUM: usize = 20;
const GROUP_INTERRUPTS: usize = 16;
const GROUP_DMA_MASK: usize = 32;
const RELAXED: u8 = 0x08;
const MAXIMUM_BITS: u16 = 0x1FFF;

/// Writes the known facts about a function into the response to its query.
pub(crate) fn complete_function(facts: &ClpFacts, full: bool, response: &mut [u8]) {
    if full {
        put(response, FUNCTION_TYPE, &[facts.pft]);
    }
    put(response, FUNCTION_PCHID, &facts.pchid.to_be_bytes());
    let util = &facts.util_str;
    if *util != ClpFacts::UNTOLD.util_str && response.len() >= FUNCTION_UTIL + util.len() {
        put(response, FUNCTION_UTIL, util);
        set(response, FUNCTION_FLAGS, UTIL_VALID);
    }
}

/// Writes the limits that all `members` share into the response to the query of their group.
pub(crate) fn complete_group(members: &[&ClpFacts], full: bool, response: &mut [u8]) {
    if full {
        let mask = members
            .iter()
            .fold(u64::MAX, |mask, facts| mask & facts.dasm);
        if let Some(interrupts) = members.iter().map(|facts| facts.noi).min() {
            put(response, GROUP_INTERRUPTS, &interrupts.to_be_bytes());
            put(response, GROUP_DMA_MASK, &mask.to_be_bytes());
        }
    }
    let Some(maximum) = members.iter().map(|facts| facts.maxstbl).min() else {
        return;
    };
    if let Some(place) = response
        .get_mut(GROUP_MAXIMUM..)
        .and_then(<[u8]>::first_chunk_mut)
    {
        let kept = u16::from_be_bytes(*place) & !MAXIMUM_BITS;
        *place = (kept | maximum & MAXIMUM_BITS).to_be_bytes();
    }
    if members.iter().all(|facts| facts.relaxed) {
        set(response, GROUP_FLAGS, RELAXED);
    }
}

fn put(response: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = response.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

fn set(response: &mut [u8], at: usize, flag: u8) {
    if let Some(flags) = response.get_mut(at) {
        *flags |= flag;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: ClpFacts = ClpFacts {
        maxstbl: 4096,
        relaxed: true,
        pchid: 0x07C0,
        pft: 5,
        dasm: u64::MAX,
        noi: 1,
        ..ClpFacts::UNTOLD
    };

    #[test]
    fn a_function_gets_its_channel_and_string() {
        let mut response = vec![0; 192];
        complete_function(&FACTS, false, &mut response);
        assert_eq!((response[30], response[31], response[18]), (0x07, 0xC0, 0));
        assert_eq!(response.iter().filter(|byte| **byte != 0).count(), 2);
        let facts = ClpFacts {
            util_str: [0xC1; 64],
            ..FACTS
        };
        response[18] = 0x02;
        complete_function(&facts, false, &mut response);
        assert_eq!(response[18], 0x03);
        assert_eq!(response[128..192], [0xC1; 64]);
    }

    #[test]
    fn a_group_gets_what_all_its_members_take() {
        let mut response = vec![0; 64];
        response[20] = 0xE0;
        response[21] = 0x80;
        complete_group(&[&FACTS], false, &mut response);
        assert_eq!((response[19], response[20], response[21]), (8, 0xF0, 0));
        let strict = ClpFacts {
            maxstbl: 128,
            relaxed: false,
            ..FACTS
        };
        let mut response = vec![0; 64];
        complete_group(&[&FACTS, &strict], false, &mut response);
        assert_eq!((response[19], response[20], response[21]), (0, 0, 128));
        let mut response = vec![0; 64];
        complete_group(&[], false, &mut response);
        assert_eq!(response, [0; 64]);
    }

    #[test]
    fn everything_is_told_if_all_is_asked_for() {
        let mut response = vec![0; 192];
        complete_function(&FACTS, true, &mut response);
        assert_eq!((response[63], response[30], response[31]), (5, 0x07, 0xC0));
        let mut response = vec![0; 64];
        let narrow = ClpFacts {
            dasm: 0xFF,
            ..FACTS
        };
        complete_group(&[&FACTS, &narrow], true, &mut response);
        assert_eq!(response[16..18], [0, 1]);
        assert_eq!(response[32..40], [0, 0, 0, 0, 0, 0, 0, 0xFF]);
    }

    #[test]
    fn short_responses_are_left_alone() {
        for length in 0..32 {
            let mut response = vec![0; length];
            complete_function(&FACTS, false, &mut response);
            complete_group(&[&FACTS], false, &mut response);
            assert_eq!(response.len(), length);
        }
    }
}
