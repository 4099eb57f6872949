//! The interface through which the device reaches guest memory and raises interrupts. The crate that owns the
//! memory implements it.

use crate::fault::order::Order;
use crate::id::FunctionId;
use crate::record::{EventRecord, MoveRecord};

/// The only interrupt vector.
pub(crate) const VECTOR: u16 = 0;

/// An access to guest memory that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("guest memory at iova {iova:#x}, {len} bytes, cannot be written: {why}")]
pub struct MemoryError {
    /// First address of the access.
    pub iova: u64,
    /// Number of bytes of the access.
    pub len: usize,
    /// The reason, e.g. "not mapped" or "mapped read-only".
    pub why: &'static str,
}

/// A move or an event on its way to a guest, and what to do once all of it has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The function of the receiving guest.
    pub to: FunctionId,
    /// The interrupt vector to raise, if any.
    pub vector: Option<u16>,
    /// The record for the observer.
    pub record: DeliveryRecord,
}

/// The record of a [`Delivery`], valid if all of it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryRecord {
    /// A data move. If a part of it does not arrive, `signalled` is false.
    Move(MoveRecord),
    /// An event. If a part of it does not arrive, `delivered` is false.
    Event(EventRecord),
}

/// Guest memory and interrupts of every function of a fabric.
///
/// A peer guest observes the calls in order: a write is visible before a later `set_bits`, and that before a
/// later interrupt. An implementation may queue calls (for memory without a descriptor) as long as it keeps
/// their order for each function.
pub trait Host {
    /// Checks that `len` bytes at `iova` of the guest of `function` can be written now.
    ///
    /// # Errors
    /// Some of the bytes are not mapped, or mapped read-only. Nothing is written.
    fn check_writable(
        &self,
        function: FunctionId,
        iova: u64,
        len: usize,
    ) -> Result<(), MemoryError>;

    /// Like [`Host::check_writable`], for bytes in which bits are to be set.
    ///
    /// # Errors
    /// As for [`Host::check_writable`].
    fn check_bits(&self, function: FunctionId, iova: u64, len: usize) -> Result<(), MemoryError> {
        self.check_writable(function, iova, len)
    }

    /// Begins one delivery to the guest of `function`, which gets the following writes. If one of them does
    /// not arrive, the host writes nothing after it and raises no interrupt.
    fn begin(&mut self, _function: FunctionId) {}

    /// Ends the delivery. Returns true if a part of it is still on its way: the implementation then keeps
    /// `delivery`, and later raises the interrupt and informs the observer. Returns false if all of it has
    /// arrived: the device then does both at once.
    fn defer(&mut self, _delivery: &Delivery) -> bool {
        false
    }

    /// Writes `bytes` at `iova`. Aligned groups of 8 bytes are never seen torn.
    ///
    /// # Errors
    /// Some of the bytes are not mapped, or mapped read-only.
    fn write(&mut self, function: FunctionId, iova: u64, bytes: &[u8]) -> Result<(), MemoryError>;

    /// Writes `bytes` at `iova` as [`Host::write`] does, without a check before: all of them or none.
    ///
    /// # Errors
    /// Some of the bytes are not mapped, or mapped read-only.
    fn write_whole(
        &mut self,
        function: FunctionId,
        iova: u64,
        bytes: &[u8],
    ) -> Result<(), MemoryError> {
        self.check_writable(function, iova, bytes.len())?;
        self.write(function, iova, bytes)
    }

    /// ORs `mask` into the byte at `iova`, atomically: the guest may clear neighbouring bits at the same
    /// time, and they must stay clear.
    ///
    /// # Errors
    /// As for [`Host::write`].
    fn set_bits(&mut self, function: FunctionId, iova: u64, mask: u8) -> Result<(), MemoryError>;

    /// ORs `mask` into the big-endian halfword at `iova` (2-byte aligned), atomically.
    ///
    /// # Errors
    /// As for [`Host::write`].
    fn set_bits_be16(
        &mut self,
        function: FunctionId,
        iova: u64,
        mask: u16,
    ) -> Result<(), MemoryError>;

    /// Raises interrupt `vector` of `function`, after all earlier writes.
    fn interrupt(&mut self, function: FunctionId, vector: u16);

    /// Takes an order of a fault, to be carried out once the access is over. A host without a clock and
    /// connections may ignore it.
    fn order(&mut self, _order: Order) {}
}
