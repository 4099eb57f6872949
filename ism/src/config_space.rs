//! PCI configuration space: 256 bytes, little-endian as PCI defines it.
//!
//! Linux 6.12 `drivers/s390/net/ism_drv.c` defines the identity, `pci_regs.h` the offsets. Class code and
//! revision are 0 unless configured otherwise, because Linux shows a real function this way (`lspci` prints
//! "Class 0000"). The rest is not public: this emulator chose the subsystem ids.

/// Bytes of configuration space.
pub(crate) const CONFIG_LEN: usize = 256;

/// Vendor id: IBM.
pub(crate) const VENDOR: u16 = 0x1014;
/// Device id: ISM.
pub(crate) const DEVICE: u16 = 0x04ed;

const COMMAND: usize = 0x04;
const STATUS: usize = 0x06;
const CLASS: usize = 0x09;
const BAR: usize = 0x10;
const SUBSYSTEM: usize = 0x2c;
const CAPABILITIES: usize = 0x34;
const INTERRUPT_LINE: usize = 0x3c;
const MSI: usize = 0x40;
const MSIX: usize = 0x50;

/// Writable bits: memory space, bus master, INTx disable.
const COMMAND_WRITABLE: u16 = 0x0406;
/// Capability list present. The other bits are write-one-to-clear, and the device never sets them.
const STATUS_VALUE: u16 = 0x0010;
const BAR_64BIT: u8 = 0x04;
const MSI_ID: u8 = 0x05;
const MSI_64BIT: u16 = 0x0080;
const MSIX_ID: u8 = 0x11;

/// Offset of the MSI-X table in its BAR.
pub(crate) const MSIX_TABLE: u32 = 0;
/// Offset of the MSI-X pending bits in their BAR.
pub(crate) const MSIX_PENDING: u32 = 0x800;

/// An access outside configuration space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{len} bytes at {offset:#x} of configuration space, expected at most {CONFIG_LEN:#x} in all"
)]
pub struct ConfigError {
    /// Offset of the first byte.
    pub offset: u64,
    /// Number of bytes.
    pub len: usize,
}

/// Configuration space: its bytes, and the bits that a write can change.
#[derive(Clone, Debug)]
pub(crate) struct ConfigSpace {
    value: [u8; CONFIG_LEN],
    initial: [u8; CONFIG_LEN],
    writable: [u8; CONFIG_LEN],
}

impl ConfigSpace {
    /// Creates the state after power-on. The low 24 bits of `class` are the class code. `bars` lists number
    /// and size of the 64-bit memory BARs; a size is a power of two of at least 16. `msix_bar` names the
    /// MSI-X BAR if the function has that capability.
    pub(crate) fn new(class: u32, bars: &[(u8, u64)], msix_bar: Option<u8>) -> Self {
        let mut space = Self {
            value: [0; CONFIG_LEN],
            initial: [0; CONFIG_LEN],
            writable: [0; CONFIG_LEN],
        };
        space.put(0x00, &VENDOR.to_le_bytes());
        space.put(0x02, &DEVICE.to_le_bytes());
        space.allow(COMMAND, &COMMAND_WRITABLE.to_le_bytes());
        space.put(STATUS, &STATUS_VALUE.to_le_bytes());
        let [interface, sub, base, _] = class.to_le_bytes();
        space.put(CLASS, &[interface, sub, base]);
        for &(bar, size) in bars {
            let at = BAR + 4 * usize::from(bar);
            space.put(at, &[BAR_64BIT]);
            space.allow(at, &(!(size.wrapping_sub(1))).to_le_bytes());
        }
        space.put(SUBSYSTEM, &VENDOR.to_le_bytes());
        space.put(SUBSYSTEM + 2, &DEVICE.to_le_bytes());
        space.allow(INTERRUPT_LINE, &[0xff]);
        space.add_msi(msix_bar.is_some());
        if let Some(bar) = msix_bar {
            space.add_msix(bar);
        }
        space.initial = space.value;
        space
    }

    fn add_msi(&mut self, more: bool) {
        let [next, ..] = if more { MSIX } else { 0 }.to_le_bytes();
        let [at, ..] = MSI.to_le_bytes();
        self.put(CAPABILITIES, &[at]);
        self.put(MSI, &[MSI_ID, next]);
        self.put(MSI + 2, &MSI_64BIT.to_le_bytes());
        // One vector: only the "enable" bit of the control word can be set.
        self.allow(MSI + 2, &[0x01]);
        self.allow(MSI + 4, &0xffff_ffff_ffff_fffc_u64.to_le_bytes());
        self.allow(MSI + 12, &[0xff, 0xff]);
    }

    fn add_msix(&mut self, bar: u8) {
        self.put(MSIX, &[MSIX_ID, 0]);
        // Table size field 0 means one vector. Enable and function mask can be set.
        self.allow(MSIX + 2, &0xc000_u16.to_le_bytes());
        self.put(MSIX + 4, &(MSIX_TABLE | u32::from(bar)).to_le_bytes());
        self.put(MSIX + 8, &(MSIX_PENDING | u32::from(bar)).to_le_bytes());
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        for (slot, byte) in self.value.iter_mut().skip(at).zip(bytes) {
            *slot = *byte;
        }
    }

    fn allow(&mut self, at: usize, bytes: &[u8]) {
        for (slot, byte) in self.writable.iter_mut().skip(at).zip(bytes) {
            *slot = *byte;
        }
    }

    /// Reads bytes at any offset and of any length inside the 256.
    pub(crate) fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), ConfigError> {
        let at = locate(offset, out.len())?;
        for (slot, byte) in out.iter_mut().zip(self.value.iter().skip(at)) {
            *slot = *byte;
        }
        Ok(())
    }

    /// Writes bytes at any offset; read-only bits keep their value.
    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), ConfigError> {
        let at = locate(offset, data.len())?;
        let slots = self.value.iter_mut().zip(&self.writable).skip(at);
        for ((slot, mask), byte) in slots.zip(data) {
            *slot = (*slot & !mask) | (byte & mask);
        }
        Ok(())
    }

    /// Restores the state after power-on.
    pub(crate) fn reset(&mut self) {
        self.value = self.initial;
    }
}

/// Returns the position of an access, or an error if it does not lie inside configuration space.
fn locate(offset: u64, len: usize) -> Result<usize, ConfigError> {
    usize::try_from(offset)
        .ok()
        .filter(|at| at.checked_add(len).is_some_and(|end| end <= CONFIG_LEN))
        .ok_or(ConfigError { offset, len })
}

#[cfg(test)]
mod tests;
