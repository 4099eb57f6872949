//! The guests of a fabric: memory and interrupts of each function, for the device.

pub mod irq;
pub mod irq_watch;
pub mod memory;

use std::cell::Cell;

use ism::fault::Order;
use ism::{Delivery, FunctionId, Host, MemoryError};
use vfio_user_protocol::limits::MAX_DATA_XFER_SIZE;

use crate::guest::irq::IrqTable;
use crate::guest::memory::DmaMap;
use crate::guest::memory::client_queue::{ClientOp, ClientQueue, QueueFull};
use crate::guest::memory::dma_map::{Fault, Segment};

/// The reason if memory behind a file is gone because the file was cut.
const GONE: &str = "the memory behind the map is gone";
/// The reason if memory cannot be accessed at once.
const NO_DESCRIPTOR: &str = "mapped without a descriptor, so only DMA_READ and DMA_WRITE reach it";
/// The reason if bits cannot be set.
const BITS_NOT_READABLE: &str = "mapped write-only, but the server reads bits before it sets them";
/// The reason if memory behind messages cannot take more writes.
const TOO_MANY: &str = "too many writes already wait for the client";

/// The memory and descriptors that a client lent its function. They end with the client.
#[derive(Debug)]
pub struct Guest {
    /// The client's DMA maps.
    pub maps: DmaMap,
    /// The client's interrupt descriptors.
    pub irqs: IrqTable,
    /// The operations on memory without a descriptor that wait for messages.
    pub queue: ClientQueue,
    /// Number of operations that a full queue refused.
    queue_full: Cell<u64>,
    told_not_atomic: bool,
}

impl Guest {
    /// Creates a guest without maps.
    pub fn new(msix: bool, maps: DmaMap) -> Self {
        Self {
            maps,
            irqs: IrqTable::new(msix),
            queue: ClientQueue::default(),
            queue_full: Cell::new(0),
            told_not_atomic: false,
        }
    }

    /// Number of operations that a full queue refused ([`crate::limits::Over::Queue`]).
    pub fn queue_full(&self) -> u64 {
        self.queue_full.get()
    }

    /// Converts a fault into an error of the device, and counts it if the queue was full.
    fn fault(&self, fault: Fault, len: usize) -> MemoryError {
        if fault.why == TOO_MANY {
            self.queue_full.set(self.queue_full().saturating_add(1));
        }
        MemoryError {
            iova: fault.iova,
            len,
            why: fault.why,
        }
    }

    /// Drops maps and interrupt descriptors. Returns the deliveries that failed by that.
    pub fn clear(&mut self) -> Vec<Delivery> {
        self.maps.clear();
        self.irqs.clear();
        self.queue.clear()
    }

    /// Reads guest memory that a file backs. Memory behind messages cannot be read here, because a region
    /// access never waits for the client.
    pub fn read(&self, iova: u64, out: &mut [u8]) -> Result<(), Fault> {
        self.maps.segments(iova, out.len(), false, |part| {
            let (file, offset) = part.file().ok_or(NO_DESCRIPTOR)?;
            let target = out.get_mut(part.at..part.at + part.len).ok_or(GONE)?;
            file.read(offset, target).map_err(|_| GONE)
        })
    }

    /// Writes guest memory that a file backs, at once.
    pub fn write_now(&self, iova: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.maps.segments(iova, bytes.len(), true, |part| {
            let (file, offset) = part.file().ok_or(NO_DESCRIPTOR)?;
            let source = bytes.get(part.at..part.at + part.len).ok_or(GONE)?;
            file.write(offset, source).map_err(|_| GONE)
        })
    }

    /// Checks that [`Guest::write_now`] can write `len` bytes at `iova`, as far as possible.
    pub fn check_now(&self, iova: u64, len: usize) -> Result<(), Fault> {
        self.maps.segments(iova, len, true, |part| {
            let (file, offset) = part.file().ok_or(NO_DESCRIPTOR)?;
            file.check(offset, part.len).map_err(|_| GONE)
        })
    }

    fn write(&mut self, iova: u64, bytes: &[u8]) -> Result<(), Fault> {
        let queue = &mut self.queue;
        self.maps.segments(iova, bytes.len(), true, |part| {
            let source = bytes.get(part.at..part.at + part.len).ok_or(GONE)?;
            match part.file() {
                Some((file, offset)) if queue.is_done() => {
                    file.write(offset, source).map_err(|_| GONE)
                }
                _ => {
                    let (iova, bytes) = (part.iova, source.to_vec());
                    let op = ClientOp::Write { iova, bytes };
                    queue.push(op).map_err(|QueueFull| TOO_MANY)
                }
            }
        })
    }

    /// Writes all bytes or none.
    fn write_whole(&mut self, iova: u64, bytes: &[u8]) -> Result<(), Fault> {
        if self.queue.is_done()
            && let Some(part) = self.maps.writable_whole(iova, bytes.len())
            && let Some((file, offset)) = part.file()
            && file.stays()
        {
            return file
                .write(offset, bytes)
                .map_err(|_| Fault { iova, why: GONE });
        }
        self.check_writable(iova, bytes.len())?;
        self.write(iova, bytes)
    }

    fn set_bits(&mut self, iova: u64, masks: &[u8]) -> Result<(), Fault> {
        let queue = &mut self.queue;
        let told = &mut self.told_not_atomic;
        self.maps.segments(iova, masks.len(), true, |part| {
            check_bits_of(&part)?;
            let masks = masks.get(part.at..part.at + part.len).ok_or(GONE)?;
            match (part.file(), masks) {
                (Some((file, offset)), [mask]) if queue.is_done() => {
                    file.set_bits(offset, *mask).map_err(|_| GONE)
                }
                (Some((file, offset)), [high, low]) if queue.is_done() => file
                    .set_bits_be16(offset, u16::from_be_bytes([*high, *low]))
                    .map_err(|_| GONE),
                _ => {
                    if !part.sets_bits_atomically() && !std::mem::replace(told, true) {
                        tracing::warn!(
                            iova,
                            "bits in memory without a descriptor are set by DMA_READ and \
                             DMA_WRITE, not atomically: share the memory (share=on) to avoid \
                             lost bits"
                        );
                    }
                    let (iova, masks) = (part.iova, masks.to_vec());
                    let op = ClientOp::SetBits { iova, masks };
                    queue.push(op).map_err(|QueueFull| TOO_MANY)
                }
            }
        })
    }

    /// Carries out a queued write (or bits, `masks`) if files back its memory now. Returns false if it needs
    /// messages.
    pub fn write_behind_queue(&self, iova: u64, bytes: &[u8], masks: bool) -> Result<bool, Fault> {
        let mut behind_messages = false;
        self.maps.segments(iova, bytes.len(), true, |part| {
            behind_messages |= !part.mapping_is_file();
            Ok(())
        })?;
        if behind_messages {
            return Ok(false);
        }
        self.maps.segments(iova, bytes.len(), true, |part| {
            let Some((file, offset)) = part.file() else {
                return Ok(());
            };
            let bytes = bytes.get(part.at..part.at + part.len).ok_or(GONE)?;
            let done = match bytes {
                _ if !masks => file.write(offset, bytes),
                [high, low] => file.set_bits_be16(offset, u16::from_be_bytes([*high, *low])),
                bytes => (offset..)
                    .zip(bytes)
                    .try_for_each(|(at, mask)| file.set_bits(at, *mask)),
            };
            done.map_err(|_| GONE)
        })?;
        Ok(true)
    }

    /// True if a DMA_READ may address these bytes.
    pub fn is_readable(&self, iova: u64, len: usize) -> bool {
        self.maps.segments(iova, len, false, |_| Ok(())).is_ok()
    }

    /// Keeps a delivery until all operations before it are done. Returns false if all are done already.
    fn defer(&mut self, delivery: &Delivery) -> bool {
        if self.queue.is_done() {
            return false;
        }
        let (delivery, arrived) = (*delivery, true);
        // The queue always has room for the end of a group.
        self.queue
            .push(ClientOp::Deliver { delivery, arrived })
            .is_ok()
    }

    /// Checks that bits can be set; behind messages or file I/O, the server must read them first.
    fn check_bits(&self, iova: u64, len: usize) -> Result<(), Fault> {
        self.check_writable(iova, len)?;
        self.maps
            .segments(iova, len, true, |part| check_bits_of(&part))
    }

    fn check_writable(&self, iova: u64, len: usize) -> Result<(), Fault> {
        let mut parts = 0;
        let mut behind_messages = !self.queue.is_done();
        self.maps.segments(iova, len, true, |part| {
            parts += 1;
            behind_messages |= !part.mapping_is_file();
            part.file().map_or(Ok(()), |(file, offset)| {
                file.check(offset, part.len).map_err(|_| GONE)
            })
        })?;
        // A longer range is a buffer that is being registered, and nothing is queued for that.
        let bytes = if len <= MAX_DATA_XFER_SIZE as usize {
            len
        } else {
            0
        };
        if behind_messages && !self.queue.has_room(parts, bytes) {
            return Err(Fault {
                iova,
                why: TOO_MANY,
            });
        }
        Ok(())
    }
}

/// Checks that bits can be set in this part of an access.
fn check_bits_of(part: &Segment<'_>) -> Result<(), &'static str> {
    if part.sets_bits_atomically() || part.mapping.readable {
        Ok(())
    } else {
        Err(BITS_NOT_READABLE)
    }
}

/// Every guest of a fabric, by function.
#[derive(Debug)]
pub struct Guests(
    pub Vec<Guest>,
    /// True if an operation was queued or ordered since the last check.
    bool,
    /// The orders that faults have given.
    Vec<Order>,
    /// The functions whose interrupts are held, and whether new ones are held too.
    Held,
);

/// Interrupts that wait until all messages of one receive are handled, so that each guest is woken once.
#[derive(Debug, Default)]
struct Held {
    holding: bool,
    guests: Vec<FunctionId>,
}

impl Guests {
    /// Creates the guests of a fabric, in the order of its functions.
    pub fn new(guests: Vec<Guest>) -> Self {
        Self(guests, false, Vec::new(), Held::default())
    }

    /// Sets whether new interrupts are held until [`Guests::release_interrupts`].
    pub fn hold_interrupts(&mut self, hold: bool) {
        self.3.holding = hold;
    }

    /// Raises the held interrupts.
    pub fn release_interrupts(&mut self) {
        self.3.holding = false;
        while let Some(function) = self.3.guests.pop() {
            if let Some(guest) = self.get_mut(function) {
                guest.irqs.release();
            }
        }
    }

    /// Takes the orders that faults have given.
    pub fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.2)
    }

    /// True if an operation was queued for any guest, or ordered, since the last call.
    pub fn take_queued(&mut self) -> bool {
        std::mem::take(&mut self.1)
    }

    /// Returns the guest of a function.
    pub fn get(&self, function: FunctionId) -> Option<&Guest> {
        self.0.get(function.0)
    }

    /// Returns the guest of a function, for changes.
    pub fn get_mut(&mut self, function: FunctionId) -> Option<&mut Guest> {
        self.0.get_mut(function.0)
    }

    fn with(
        &mut self,
        function: FunctionId,
        (iova, len): (u64, usize),
        act: impl FnOnce(&mut Guest) -> Result<(), Fault>,
    ) -> Result<(), MemoryError> {
        let Self(guests, queued, _, _) = self;
        let guest = guests.get_mut(function.0).ok_or(MemoryError {
            iova,
            len,
            why: "no such function",
        })?;
        let acted = act(guest);
        *queued |= guest.queue.has_waiting();
        acted.map_err(|fault| guest.fault(fault, len))
    }
}

impl Host for Guests {
    fn check_writable(
        &self,
        function: FunctionId,
        iova: u64,
        len: usize,
    ) -> Result<(), MemoryError> {
        let guest = self.get(function).ok_or(MemoryError {
            iova,
            len,
            why: "no such function",
        })?;
        let checked = guest.check_writable(iova, len);
        checked.map_err(|fault| guest.fault(fault, len))
    }

    fn write(&mut self, function: FunctionId, iova: u64, bytes: &[u8]) -> Result<(), MemoryError> {
        self.with(function, (iova, bytes.len()), |guest| {
            guest.write(iova, bytes)
        })
    }

    fn write_whole(
        &mut self,
        function: FunctionId,
        iova: u64,
        bytes: &[u8],
    ) -> Result<(), MemoryError> {
        self.with(function, (iova, bytes.len()), |guest| {
            guest.write_whole(iova, bytes)
        })
    }

    fn set_bits(&mut self, function: FunctionId, iova: u64, mask: u8) -> Result<(), MemoryError> {
        self.with(function, (iova, 1), |guest| guest.set_bits(iova, &[mask]))
    }

    fn set_bits_be16(
        &mut self,
        function: FunctionId,
        iova: u64,
        mask: u16,
    ) -> Result<(), MemoryError> {
        self.with(function, (iova, 2), |guest| {
            guest.set_bits(iova, &mask.to_be_bytes())
        })
    }

    fn check_bits(&self, function: FunctionId, iova: u64, len: usize) -> Result<(), MemoryError> {
        let guest = self.get(function).ok_or(MemoryError {
            iova,
            len,
            why: "no such function",
        })?;
        let checked = guest.check_bits(iova, len);
        checked.map_err(|fault| guest.fault(fault, len))
    }

    fn begin(&mut self, function: FunctionId) {
        if let Some(guest) = self.get_mut(function) {
            guest.queue.begin();
        }
    }

    fn defer(&mut self, delivery: &Delivery) -> bool {
        let guest = self.get_mut(delivery.to);
        guest.is_some_and(|guest| guest.defer(delivery))
    }

    fn interrupt(&mut self, function: FunctionId, vector: u16) {
        let holding = self.3.holding;
        let Some(guest) = self.get_mut(function) else {
            return;
        };
        if !holding {
            guest.irqs.raise(vector);
        } else if guest.irqs.hold(vector) {
            self.3.guests.push(function);
        }
    }

    fn order(&mut self, order: Order) {
        self.1 = true;
        self.2.push(order);
    }
}
