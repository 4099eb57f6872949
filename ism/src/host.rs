//! The interface through which the device reaches guest memory and raises interrupts.
//!
//! The crate that owns the memory implements it.

use crate::fault::order::Order;
use crate::id::FunctionId;
use crate::record::{EventRecord, MoveRecord};

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
    /// The fault, e.g. "not mapped" or "mapped read-only".
    pub why: &'static str,
}

/// A move or an event that is on its way to a guest: what to do once all of it has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The guest's function.
    pub to: FunctionId,
    /// The interrupt to raise.
    pub vector: Option<u16>,
    /// The record for the observer.
    pub record: DeliveryRecord,
}

/// The record of a [`Delivery`], as it is if all of it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryRecord {
    /// A data move. If something of it does not arrive, `signalled` is false.
    Move(MoveRecord),
    /// An event. If something of it does not arrive, `delivered` is false.
    Event(EventRecord),
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

    /// As [`Host::check_writable`], for bytes in which bits are to be set.
    fn check_bits(&self, function: FunctionId, iova: u64, len: usize) -> Result<(), MemoryError> {
        self.check_writable(function, iova, len)
    }

    /// Begins one delivery to `function`'s guest: it gets the following writes. If one of
    /// them does not arrive, nothing after it is written and no interrupt is raised.
    fn begin(&mut self, _function: FunctionId) {}

    /// Ends the delivery. `true` if some of it is still on its way: the implementation then keeps
    /// `delivery` and, in the end, raises the interrupt and tells the observer. `false` if all of
    /// it has arrived, and the device does both now.
    fn defer(&mut self, _delivery: &Delivery) -> bool {
        false
    }

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

    /// A fault wants this of whatever surrounds the fabric, once the access is over. Without a
    /// clock and connections, nothing comes of it.
    fn order(&mut self, _order: Order) {}
}
