//! What the device asks of its surroundings: guest memory and interrupts.
//!
//! The owner of the memory stays outside; this is the interface of the consumer.

use crate::id::FunctionId;

/// The only interrupt vector.
pub(crate) const VECTOR: u16 = 0;

/// Guest memory that could not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("guest memory at iova {iova:#x}, {len} bytes, cannot be written: {why}")]
pub struct MemoryError {
    /// First byte of the access.
    pub iova: u64,
    /// Bytes of the access.
    pub len: usize,
    /// What is wrong, e.g. "not mapped", "mapped read-only".
    pub why: &'static str,
}

/// Guest memory and interrupts of every function of a fabric.
///
/// Calls are carried out in order as a peer guest can observe them: a write is visible before a
/// later `set_bits`, that before a later interrupt. An implementation may queue them (memory that
/// came without a descriptor) as long as the order per function is kept.
pub trait Host {
    /// Whether `len` bytes at `iova` of `function`'s guest can be written now.
    fn check_writable(
        &self,
        function: FunctionId,
        iova: u64,
        len: usize,
    ) -> Result<(), MemoryError>;

    /// Writes `bytes` at `iova`. Aligned groups of 8 bytes are never seen torn.
    fn write(&mut self, function: FunctionId, iova: u64, bytes: &[u8]) -> Result<(), MemoryError>;

    /// Atomically ORs `mask` into the byte at `iova`: neighbouring bits may be cleared by the
    /// guest at the same time and must not come back.
    fn set_bits(&mut self, function: FunctionId, iova: u64, mask: u8) -> Result<(), MemoryError>;

    /// Atomically ORs `mask` into the big-endian halfword at `iova` (2-byte aligned).
    fn set_bits_be16(
        &mut self,
        function: FunctionId,
        iova: u64,
        mask: u16,
    ) -> Result<(), MemoryError>;

    /// Raises interrupt `vector` of `function`, after everything written before it.
    fn interrupt(&mut self, function: FunctionId, vector: u16);
}
