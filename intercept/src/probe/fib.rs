//! Function information blocks, the control blocks of MPCIFC (Linux `arch/s390/include/asm/pci_insn.h`, `struct zpci_fib`).

use super::clp::bytes;
use super::layout::{DMA_ADDRESS, INDICATORS, ISC, SUMMARY, VECTORS, region_table};

/// Bytes of a block.
pub(crate) const LENGTH: usize = 80;

/// Translation designation: enabled, region third table (QEMU `include/hw/s390x/s390-pci-bus.h`).
pub(crate) const REGION_THIRD: u64 = 0x804;

/// Offsets of the fields: base and limit of the DMA addresses, translation designation, interrupt data, bit vector, summary
/// bit, measurement block.
pub(crate) const BASE: usize = 16;
/// Last DMA address.
pub(crate) const LIMIT: usize = 24;
/// Table and kind of translation.
pub(crate) const DESIGNATION: usize = 32;
/// Interruption subclass, number of interrupts, bit offsets.
pub(crate) const INTERRUPTS: usize = 40;
/// Address of the bit vector.
pub(crate) const VECTOR: usize = 48;
/// Address of the summary bits.
pub(crate) const SUMMARY_BITS: usize = 56;
/// Address of the function measurement block.
pub(crate) const MEASUREMENT: usize = 64;

/// Writes bytes into a block.
pub(crate) fn put(block: &mut [u8; LENGTH], at: usize, bytes: &[u8]) {
    for (slot, byte) in block.iter_mut().skip(at).zip(bytes) {
        *slot = *byte;
    }
}

/// The doubleword at `at`.
pub(crate) fn word(block: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes(block, at))
}

/// Registers the function's adapter interrupts. All functions share one summary bit. Each has its own bit
/// vector.
pub(crate) fn interrupts(function: usize) -> [u8; LENGTH] {
    let mut block = [0; LENGTH];
    let summary_on: u64 = 1;
    let data = (ISC << 28) | (VECTORS << 16) | (summary_on << 7);
    put(&mut block, INTERRUPTS, &(data as u32).to_be_bytes());
    let vector = INDICATORS + 8 * function as u64;
    put(&mut block, VECTOR, &vector.to_be_bytes());
    put(&mut block, SUMMARY_BITS, &SUMMARY.to_be_bytes());
    block
}

/// Registers DMA addresses from `base` to `limit` with this translation designation.
pub(crate) fn window(base: u64, limit: u64, designation: u64) -> [u8; LENGTH] {
    let mut block = [0; LENGTH];
    put(&mut block, BASE, &base.to_be_bytes());
    put(&mut block, LIMIT, &limit.to_be_bytes());
    put(&mut block, DESIGNATION, &designation.to_be_bytes());
    block
}

/// Registers the function's translation tables for a window of 1 MiB.
pub(crate) fn translation(function: usize) -> [u8; LENGTH] {
    window(
        DMA_ADDRESS,
        DMA_ADDRESS + 0xf_ffff,
        region_table(function) | REGION_THIRD,
    )
}
