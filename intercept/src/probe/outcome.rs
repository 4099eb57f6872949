//! The outcome of one instruction, as the guest saw it.

use crate::plan::{hex, is_default};
use serde::{Deserialize, Serialize};

/// Program interruption codes with an address in the translation-exception identification (z/Architecture
/// Principles of Operation, chapter 3, "Assigned Storage Locations").
const WITH_ADDRESS: [u16; 7] = [0x04, 0x10, 0x11, 0x38, 0x39, 0x3a, 0x3b];

/// A general register that an instruction changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Change {
    /// Number of the register.
    pub register: u8,
    /// Value before the instruction.
    pub before: u64,
    /// Value after the instruction.
    pub after: u64,
}

/// The operand's place in an access exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Fault {
    /// Number of the page, from the page of the operand's first byte.
    pub page: i64,
    /// The address space: 0 primary, 1 access registers, 2 secondary, 3 home.
    pub space: u8,
    /// Kind of access: 1 store, 2 fetch, 0 unknown.
    pub access: u8,
}

impl Fault {
    /// Reads a translation-exception identification. `operand` is the address of the operand's first byte.
    pub(super) fn read(code: u16, identification: u64, operand: u64) -> Option<Self> {
        WITH_ADDRESS.contains(&code).then(|| Self {
            page: (identification >> 12).wrapping_sub(operand >> 12) as i64,
            space: (identification & 3) as u8,
            access: (identification >> 10 & 3) as u8,
        })
    }
}

/// The outcome of one instruction in the guest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Outcome {
    /// Whether the instruction ran. Cases for another QEMU do not.
    pub executed: bool,
    /// Condition code. It has no meaning after an exception.
    pub condition: u8,
    /// Program interruption code, if it ended in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<u16>,
    /// Status code from the instruction's status register.
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: u8,
    /// The register that a load fills.
    #[serde(default)]
    pub loaded: u64,
    /// Number of adapter interrupts, if the case waits for them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub interrupts: u8,
    /// Interruption identification word of the last interrupt.
    #[serde(default)]
    pub interrupt_word: u32,
    /// After an exception, the bytes from the instruction to the address in the old PSW.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<u8>,
    /// After an exception, the instruction length in the program interruption.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruction_length: Option<u8>,
    /// After an access exception, its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// General registers that changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<Change>,
    /// The block in guest memory after an instruction that writes one.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "hex")]
    pub block: Vec<u8>,
    /// The bytes after that block, if they changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "hex")]
    pub behind: Vec<u8>,
    /// First bytes of the interrupt summary and of each function's bit vector.
    #[serde(default, skip_serializing_if = "is_default")]
    pub indicators: [u8; 3],
    /// Counters of the function measurement block, if the case waits for its update: loads, stores, block
    /// stores, refreshes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<[u64; 4]>,
    /// Failed fences before the instruction, one bit for each function that was disabled or in error.
    #[serde(default, skip_serializing_if = "is_default")]
    pub fences_failed: u8,
}

impl Outcome {
    /// Whether the instruction ended with condition code 0 and without an exception.
    pub fn succeeded(&self) -> bool {
        self.executed && self.exception.is_none() && self.condition == 0
    }
}

#[cfg(test)]
mod tests {
    use super::Fault;

    #[test]
    fn an_identification_tells_page_space_and_access() {
        let fault = Fault::read(0x11, 0x701_1802, 0x701_0ff8).expect("an access exception");
        assert_eq!((fault.page, fault.space, fault.access), (1, 2, 2));
        assert_eq!(Fault::read(0x06, 0x701_1802, 0), None);
    }
}
