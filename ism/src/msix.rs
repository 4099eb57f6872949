//! The MSI-X table behind BAR 4: storage only.
//!
//! Clients such as QEMU keep the table themselves and pass descriptors to the server. A client that writes
//! the table reads the same bytes back. Little-endian, as PCI defines it.

use crate::config_space::MSIX_TABLE;

/// Bytes of one entry: u64 address, u32 data, u32 vector control.
const ENTRY_LEN: usize = 16;
/// Writable bits of an entry: address without its low two bits, data, mask bit.
const WRITABLE: u128 = 0x0000_0001_ffff_ffff_ffff_ffff_ffff_fffc;
/// State of an entry after reset: the vector is masked.
const INITIAL: u128 = 0x0000_0001 << 96;

/// The table with its one vector. The pending bits are never set.
#[derive(Clone, Debug)]
pub(crate) struct MsixTable {
    entry: [u8; ENTRY_LEN],
}

impl Default for MsixTable {
    fn default() -> Self {
        Self {
            entry: INITIAL.to_le_bytes(),
        }
    }
}

impl MsixTable {
    /// Reads bytes of the BAR; bytes outside the table are zero.
    pub(crate) fn read(&self, offset: u64, out: &mut [u8]) {
        for (at, slot) in (offset..).zip(out) {
            *slot = position(at)
                .and_then(|at| self.entry.get(at))
                .copied()
                .unwrap_or(0);
        }
    }

    /// Writes bytes of the BAR; a write outside the table has no effect.
    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) {
        let writable = WRITABLE.to_le_bytes();
        for (at, byte) in (offset..).zip(data) {
            let Some(at) = position(at) else { continue };
            if let (Some(slot), Some(mask)) = (self.entry.get_mut(at), writable.get(at)) {
                *slot = (*slot & !mask) | (byte & mask);
            }
        }
    }
}

fn position(offset: u64) -> Option<usize> {
    usize::try_from(offset.checked_sub(u64::from(MSIX_TABLE))?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<const N: usize>(table: &MsixTable, offset: u64) -> [u8; N] {
        let mut out = [0xaa; N];
        table.read(offset, &mut out);
        out
    }

    #[test]
    fn an_entry_keeps_address_data_and_mask() {
        let mut table = MsixTable::default();
        assert_eq!(read(&table, 12), [1, 0, 0, 0]);
        table.write(0, &[0xff; 16]);
        let mut expected = [0xff; 16];
        expected[0] = 0xfc;
        expected[12..].copy_from_slice(&[1, 0, 0, 0]);
        assert_eq!(read(&table, 0), expected);
        table.write(12, &[0]);
        assert_eq!(read(&table, 12), [0]);
    }

    #[test]
    fn pending_bits_and_the_rest_of_the_page_read_as_zero() {
        let mut table = MsixTable::default();
        table.write(16, &[0xff; 64]);
        table.write(0x800, &[0xff; 8]);
        assert_eq!(read(&table, 16), [0; 64]);
        assert_eq!(read(&table, 0x800), [0; 8]);
        assert_eq!(read(&table, 14), [0; 8]);
    }
}
