//! Guest memory that keeps written bytes.

use std::collections::BTreeMap;

/// The bytes of the guests that are not zero, by function and iova.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ram(BTreeMap<(usize, u64), u8>);

impl Ram {
    pub(crate) fn write(&mut self, f: usize, iova: u64, bytes: &[u8]) {
        for (at, byte) in (iova..).zip(bytes) {
            match *byte {
                0 => self.0.remove(&(f, at)),
                byte => self.0.insert((f, at), byte),
            };
        }
    }

    pub(crate) fn or(&mut self, f: usize, iova: u64, bits: &[u8]) {
        for (at, bits) in (iova..).zip(bits) {
            let old = self.0.get(&(f, at)).copied().unwrap_or(0);
            self.write(f, at, &[old | bits]);
        }
    }

    /// Clears a page of bits, as a driver's interrupt handler does.
    pub(crate) fn clear(&mut self, f: usize, iova: u64, len: u64) {
        self.0
            .retain(|(of, at), _| *of != f || !(iova..iova + len).contains(at));
    }
}
