// SPDX-License-Identifier: GPL-2.0-or-later
//! All places in guest code with a translated zPCI instruction.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use crate::decode::Instruction;
use crate::observe::Site;

/// Gives each place a number, which a callback can carry.
///
/// If the same code is translated again, it gets the same number, so the table grows only with new guest
/// code.
#[derive(Debug, Default)]
pub(crate) struct Sites {
    numbers: HashMap<(u64, Vec<u8>), usize>,
    sites: Vec<Arc<Site>>,
}

impl Sites {
    /// Returns the number of the instruction with these bytes at `address`.
    pub(crate) fn number(
        &mut self,
        address: u64,
        opcode: &[u8],
        instruction: Instruction,
    ) -> usize {
        match self.numbers.entry((address, opcode.to_vec())) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                self.sites.push(Arc::new(Site {
                    address,
                    opcode: opcode.to_vec(),
                    instruction,
                }));
                *new.insert(self.sites.len() - 1)
            }
        }
    }

    /// Returns the place with this number.
    pub(crate) fn get(&self, number: usize) -> Option<Arc<Site>> {
        self.sites.get(number).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_place_keeps_its_number_and_other_bytes_get_their_own() {
        let mut sites = Sites::default();
        let mut add = |address, opcode: &[u8]| {
            sites.number(address, opcode, Instruction::decode(opcode).unwrap())
        };
        let first = add(0x1000, &[0xB9, 0xD0, 0, 0x14]);
        let patched = add(0x1000, &[0xB9, 0xD2, 0, 0x14]);
        assert_ne!(first, patched);
        assert_eq!(add(0x1000, &[0xB9, 0xD0, 0, 0x14]), first);
        assert_eq!(sites.get(patched).unwrap().instruction.mnemonic(), "pcilg");
        assert_eq!(sites.get(2), None);
    }
}
