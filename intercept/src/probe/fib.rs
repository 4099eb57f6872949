//! Function information blocks, the control blocks of MPCIFC (Linux `arch/s390/include/asm/pci_insn.h`, `struct zpci_fib`).

use super::layout::{DMA_ADDRESS, INDICATORS, ISC, REGION_TABLE, SUMMARY};

/// Translation designation: enabled, region third table (QEMU `include/hw/s390x/s390-pci-bus.h`).
const REGION_THIRD: u64 = 0x804;

fn put(block: &mut [u8; 80], at: usize, bytes: &[u8]) {
    for (slot, byte) in block.iter_mut().skip(at).zip(bytes) {
        *slot = *byte;
    }
}

/// Registers one adapter interrupt with its summary bit and bit vector.
pub fn interrupts() -> [u8; 80] {
    let mut block = [0; 80];
    let vectors: u64 = 1;
    let summary_on: u64 = 1;
    let data = (ISC << 28) | (vectors << 16) | (summary_on << 7);
    put(&mut block, 40, &(data as u32).to_be_bytes());
    put(&mut block, 48, &INDICATORS.to_be_bytes());
    put(&mut block, 56, &SUMMARY.to_be_bytes());
    block
}

/// Registers the probe's translation tables for a window of 1 MiB.
pub fn translation() -> [u8; 80] {
    let mut block = [0; 80];
    put(&mut block, 16, &DMA_ADDRESS.to_be_bytes());
    put(&mut block, 24, &(DMA_ADDRESS + 0xf_ffff).to_be_bytes());
    put(&mut block, 32, &(REGION_TABLE | REGION_THIRD).to_be_bytes());
    block
}
