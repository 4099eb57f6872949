//! Registered DMBs of a whole fabric, by token.

use std::collections::BTreeMap;

use zpci_region::access::PAGE;

use crate::id::FunctionId;
use crate::layout::DMB_MAX_LEN;

/// One registered direct memory buffer (DMB).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dmb {
    /// The function that owns the memory.
    pub owner: FunctionId,
    /// GID of the only function that may write into the DMB.
    pub rgid: u64,
    /// First address, in the owner's DMA address space.
    pub iova: u64,
    /// Length in bytes.
    pub len: u32,
    /// Index of its bit and its mask in the owner's SBA.
    pub index: u32,
}

impl Dmb {
    /// True if memory of this address and length can be a DMB.
    pub(crate) fn fits(iova: u64, len: u32) -> bool {
        (1..=DMB_MAX_LEN).contains(&len)
            && iova.is_multiple_of(PAGE)
            && iova.checked_add(u64::from(len)).is_some()
    }
}

/// Every DMB of the fabric.
///
/// Tokens are unique in the fabric and never zero. Their low 32 bits are zero, because the driver ORs
/// element, flag and offset into them (Linux 6.12 `ISM_CREATE_REQ`), and every offset made of a token lies in
/// the data BAR of every function. Tokens begin at 13/16 of the smallest data BAR, which is 0xd000_0000_0000
/// in one of 256 TiB, and wrap around. So no token looks like an address of guest memory, which begins at 4
/// GiB (`sdma`) on s390. A returned token is reused as late as possible, so that a late store to it is
/// noticed.
#[derive(Clone, Debug)]
pub(crate) struct DmbTable {
    dmbs: BTreeMap<u64, Dmb>,
    /// The upper halves of tokens are 1..=numbers.
    numbers: u64,
    /// Number of upper halves given out so far, in the order of [`Self::number`].
    passed: u64,
}

impl DmbTable {
    /// Creates an empty table whose tokens fit a data BAR of `bar_size` bytes.
    pub(crate) fn new(bar_size: u64) -> Self {
        Self {
            dmbs: BTreeMap::new(),
            numbers: (bar_size >> 32).saturating_sub(1),
            passed: 0,
        }
    }

    /// Returns the upper half of the token at a position in the sequence of tokens.
    fn number(&self, position: u64) -> u64 {
        let first = self.numbers.saturating_add(1) * 13 / 16;
        let ahead = first.saturating_sub(1).saturating_add(position);
        1 + ahead % self.numbers.max(1)
    }

    /// Adds a DMB and returns its token; `None` if all tokens are in use.
    pub(crate) fn insert(&mut self, dmb: Dmb) -> Option<u64> {
        let (position, token) = (self.passed..)
            .take(usize::try_from(self.numbers).unwrap_or(usize::MAX))
            .map(|position| (position, self.number(position) << 32))
            .find(|(_, token)| !self.dmbs.contains_key(token))?;
        self.passed = position + 1;
        self.dmbs.insert(token, dmb);
        Some(token)
    }

    /// True if this is a token of the table, in use or returned.
    pub(crate) fn gave(&self, token: u64) -> bool {
        let number = token >> 32;
        if token & 0xffff_ffff != 0 || !(1..=self.numbers).contains(&number) {
            return false;
        }
        let first = self.number(0);
        let round = if number < first { self.numbers } else { 0 };
        (number + round).saturating_sub(first) < self.passed
    }

    /// Returns the DMB of `token`.
    pub(crate) fn get(&self, token: u64) -> Option<&Dmb> {
        self.dmbs.get(&token)
    }

    /// Removes the DMB of `token`.
    pub(crate) fn remove(&mut self, token: u64) -> Option<Dmb> {
        self.dmbs.remove(&token)
    }

    /// Removes all DMBs of `owner` and returns their tokens.
    pub(crate) fn remove_owned(&mut self, owner: FunctionId) -> Vec<u64> {
        let owned = |dmb: &Dmb| dmb.owner == owner;
        let tokens: Vec<u64> = self
            .dmbs
            .iter()
            .filter(|(_, dmb)| owned(dmb))
            .map(|(token, _)| *token)
            .collect();
        self.dmbs.retain(|_, dmb| !owned(dmb));
        tokens
    }

    /// Returns the DMB that has `index` in the SBA of `owner`.
    pub(crate) fn at_index(&self, owner: FunctionId, index: u32) -> Option<u64> {
        self.dmbs
            .iter()
            .find(|(_, dmb)| dmb.owner == owner && dmb.index == index)
            .map(|(token, _)| *token)
    }

    /// Iterates over every token and its DMB.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Dmb)> {
        self.dmbs.iter().map(|(token, dmb)| (*token, dmb))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dmb(owner: usize, index: u32) -> Dmb {
        Dmb {
            owner: FunctionId(owner),
            rgid: 1,
            iova: 0,
            len: 4096,
            index,
        }
    }

    #[test]
    fn tokens_are_multiples_of_4_gib_inside_the_bar_and_never_zero() {
        let mut table = DmbTable::new(1 << 34);
        let tokens: Vec<_> = (0..4).map(|n| table.insert(dmb(0, n))).collect();
        assert_eq!(tokens, [Some(3 << 32), Some(1 << 32), Some(2 << 32), None]);
        let mut table = DmbTable::new(1 << 33);
        assert_eq!(table.insert(dmb(0, 1)), Some(1 << 32));
        assert_eq!(table.insert(dmb(0, 2)), None);
        let mut table = DmbTable::new(1 << 48);
        assert_eq!(table.insert(dmb(0, 1)), Some(0xd000_0000_0000));
        assert_eq!(table.insert(dmb(0, 2)), Some(0xd001_0000_0000));
    }

    #[test]
    fn a_token_given_back_is_reused_last() {
        let mut table = DmbTable::new(1 << 34);
        let first = table.insert(dmb(0, 32)).unwrap();
        table.remove(first);
        assert_eq!(table.insert(dmb(0, 32)), Some(1 << 32));
        assert_eq!(table.insert(dmb(0, 33)), Some(2 << 32));
        assert_eq!(table.insert(dmb(0, 34)), Some(first));
        assert_eq!(table.insert(dmb(0, 35)), None);
    }

    #[test]
    fn the_table_knows_the_tokens_that_it_gave() {
        let mut table = DmbTable::new(1 << 34);
        let first = table.insert(dmb(0, 32)).unwrap();
        assert!(table.gave(first) && !table.gave(1 << 32) && !table.gave(2 << 32));
        assert!(!table.gave(first + 4096) && !table.gave(0) && !table.gave(4 << 32));
        table.insert(dmb(0, 33));
        table.remove(first);
        assert!(table.gave(first) && table.gave(1 << 32) && !table.gave(2 << 32));
        for _ in 0..5 {
            let token = table.insert(dmb(0, 34)).unwrap();
            table.remove(token);
        }
        assert!(table.gave(2 << 32));
        assert!(!DmbTable::new(1 << 32).gave(0));
    }

    #[test]
    fn dmbs_are_found_and_forgotten_by_owner() {
        let mut table = DmbTable::new(1 << 48);
        let a = table.insert(dmb(0, 32)).unwrap();
        let b = table.insert(dmb(1, 32)).unwrap();
        assert_eq!(table.at_index(FunctionId(1), 32), Some(b));
        assert_eq!(table.at_index(FunctionId(1), 33), None);
        assert_eq!(table.remove_owned(FunctionId(0)), [a]);
        assert!(table.get(a).is_none());
        assert_eq!(table.iter().count(), 1);
    }
}
