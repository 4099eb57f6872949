//! Offsets, sizes and big-endian structures that the function shares with its driver.
//!
//! All values are big-endian (s390). Sources: Linux 6.12 `drivers/s390/net/ism.h` for the layouts,
//! `ism_drv.c` for their use.

/// The BAR of the data space: moves into DMBs.
pub(crate) const DATA_BAR: u8 = 0;
/// The BAR of the command window.
pub(crate) const COMMAND_BAR: u8 = 2;
/// The BAR of the MSI-X table, on functions that have one.
pub(crate) const MSIX_BAR: u8 = 4;

/// Size of the data BAR unless configured otherwise: 256 TiB, like the real one (Linux 7.2
/// `drivers/vfio/pci/ism/main.c`).
pub(crate) const DATA_BAR_SIZE: u64 = 1 << 48;
/// Size of the command BAR in bytes. No source states it; drivers use offsets 0 to 199.
pub const COMMAND_BAR_SIZE: u64 = 4096;
/// Size of the MSI-X BAR in bytes.
pub const MSIX_BAR_SIZE: u64 = 4096;

/// Bytes of a request or response header: u32 command, u16 reserved or response code, u16 length.
pub(crate) const HEADER_LEN: usize = 8;

/// Bytes of the page of summary bits (SBA).
pub(crate) const SBA_LEN: usize = 4096;
/// Summary bit `s`, in byte 0 of the SBA.
pub(crate) const SBA_SUMMARY: u8 = 0x80;
/// Event bit `e`, in byte 0 of the SBA.
pub(crate) const SBA_EVENT: u8 = 0x40;
/// Indexes that a DMB may have in the SBA: 1888 of them.
pub(crate) const SBA_INDEXES: std::ops::RangeInclusive<u32> = 32..=1919;
const SBA_BITS: u64 = 4;
const SBA_MASKS: u64 = 256;

/// Returns the SBA offset of the byte with the bit of DMB `index`, and that bit.
pub(crate) fn dmb_bit(index: u32) -> (u64, u8) {
    (SBA_BITS + u64::from(index / 8), 0x80 >> (index % 8))
}

/// Returns the SBA offset of the 16-bit element mask of DMB `index`.
pub(crate) fn dmb_mask(index: u32) -> u64 {
    SBA_MASKS + 2 * u64::from(index)
}

/// Returns the bit of `element` in the element mask, MSB first as everywhere in the SBA; 0 for an element
/// above 15.
///
/// No source settles the order (the in-kernel loopback rotates 0x1000 instead), and SMC ignores the mask
/// (Linux 6.12 `net/smc/smc_ism.c`).
pub(crate) fn element_bit(element: u8) -> u16 {
    0x8000_u16.checked_shr(u32::from(element)).unwrap_or(0)
}

/// Bytes of the event queue (IEQ): a 32-byte header and 15 entries.
pub(crate) const IEQ_LEN: u64 = 512;
/// Entries of the event queue.
pub(crate) const IEQ_ENTRIES: u64 = 15;
/// Bytes of one entry: u32 type, u32 code, u64 token, u64 time, u64 info.
pub(crate) const IEQ_ENTRY_LEN: usize = 32;

/// Returns the offset of entry `slot` in the event queue.
pub(crate) fn ieq_entry(slot: u64) -> u64 {
    32 + slot * 32
}

/// Largest DMB in bytes.
pub(crate) const DMB_MAX_LEN: u32 = 1 << 20;
/// DMBs must not cross a multiple of this (the driver's DMA boundary mask).
pub(crate) const DMB_BOUNDARY: u64 = 1 << 20;

/// The VLAN id with which a driver announces that it supports SMC-D v2.
pub(crate) const VLAN_V2: u32 = 0x1fff;
/// Number of VLAN ids that QUERY_INFO has room for.
pub(crate) const VLAN_MAX: usize = 64;

/// The fields in the offset of a store into the data BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataAddress {
    /// The token: bits 63..32, not shifted.
    pub token: u64,
    /// The element index: bits 31..24.
    pub element: u8,
    /// The signal flag: bit 23.
    pub signal: bool,
    /// The byte offset in the DMB: bits 22..0.
    pub offset: u32,
}

impl DataAddress {
    /// Decodes an offset into the data BAR (Linux 6.12 `ISM_CREATE_REQ`).
    pub fn decode(offset: u64) -> Self {
        let [.., element, _, _, _] = offset.to_be_bytes();
        Self {
            token: offset & !0xffff_ffff,
            element,
            signal: offset & (1 << 23) != 0,
            offset: u32::try_from(offset & 0x7f_ffff).unwrap_or(0),
        }
    }
}

/// Reads big-endian fields. Missing bytes read as zero; callers check lengths before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(pub &'a [u8]);

impl Fields<'_> {
    fn bytes<const N: usize>(self, at: usize) -> [u8; N] {
        self.0
            .get(at..)
            .and_then(<[u8]>::first_chunk)
            .copied()
            .unwrap_or([0; N])
    }

    pub(crate) fn u16(self, at: usize) -> u16 {
        u16::from_be_bytes(self.bytes(at))
    }

    pub(crate) fn u32(self, at: usize) -> u32 {
        u32::from_be_bytes(self.bytes(at))
    }

    pub(crate) fn u64(self, at: usize) -> u64 {
        u64::from_be_bytes(self.bytes(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_usable_index_has_its_bit_in_byte_8_and_its_mask_at_320() {
        assert_eq!(dmb_bit(32), (8, 0x80));
        assert_eq!(dmb_bit(39), (8, 0x01));
        assert_eq!(dmb_bit(1919), (243, 0x01));
        assert_eq!(dmb_mask(32), 320);
        assert_eq!(dmb_mask(1919), 4094);
    }

    #[test]
    fn elements_count_from_the_most_significant_bit_and_end_at_15() {
        assert_eq!(element_bit(0), 0x8000);
        assert_eq!(element_bit(15), 1);
        assert_eq!(element_bit(16), 0);
        assert_eq!(element_bit(255), 0);
    }

    #[test]
    fn the_last_entry_ends_with_the_queue() {
        assert_eq!(ieq_entry(IEQ_ENTRIES - 1) + 32, IEQ_LEN);
    }

    #[test]
    fn a_data_offset_is_token_element_flag_and_offset() {
        let offset = 0x1234_0000_0000 | 7 << 24 | 1 << 23 | 0x10_0001;
        let address = DataAddress::decode(offset);
        assert_eq!(address.token, 0x1234_0000_0000);
        assert_eq!(address.element, 7);
        assert!(address.signal);
        assert_eq!(address.offset, 0x10_0001);
        assert!(!DataAddress::decode(0x7f_ffff).signal);
    }

    #[test]
    fn fields_are_big_endian_and_absent_ones_zero() {
        let fields = Fields(&[0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(fields.u16(1), 0x0102);
        assert_eq!(fields.u32(4), 0x0405_0607);
        assert_eq!(fields.u64(0), 0x0001_0203_0405_0607);
        assert_eq!(fields.u64(1), 0);
        assert_eq!(fields.u16(usize::MAX), 0);
    }
}
