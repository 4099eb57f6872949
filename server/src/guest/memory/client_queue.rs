//! Queue of the device's writes to memory without a descriptor.
//!
//! A region access never waits for the client. So the device's writes are queued here in order, and the
//! connection carries them out one message at a time. Setting bits takes a read and a write, which is not
//! atomic towards the guest; the log says so once.
//!
//! Operations that belong together (a move, an event) end with their [`Delivery`]. If one of them fails or is
//! cancelled, the rest of the group is dropped, and the delivery reports that.

use std::collections::VecDeque;

use ism::Delivery;

use crate::limits::{QUEUED_BEYOND, QUEUED_BYTES, QUEUED_OPERATIONS};

/// Largest number of queued operations, including the rest of a move that has begun.
const MOST: usize = QUEUED_OPERATIONS + QUEUED_BEYOND;

/// One operation on a function's guest.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientOp {
    /// Writes bytes to memory.
    Write {
        /// First address to write.
        iova: u64,
        /// The bytes to write.
        bytes: Vec<u8>,
    },
    /// ORs bits into bytes, by a read and a write.
    SetBits {
        /// First address to change.
        iova: u64,
        /// One mask per byte.
        masks: Vec<u8>,
    },
    /// Ends a group of operations.
    Deliver {
        /// The move or event that the group carries out.
        delivery: Delivery,
        /// True if all of it arrived.
        arrived: bool,
    },
}

impl ClientOp {
    /// Returns first address and number of bytes, for an operation on memory.
    fn range(&self) -> Option<(u64, usize)> {
        match self {
            ClientOp::Write { iova, bytes } => Some((*iova, bytes.len())),
            ClientOp::SetBits { iova, masks } => Some((*iova, masks.len())),
            ClientOp::Deliver { .. } => None,
        }
    }

    fn bytes(&self) -> usize {
        self.range().map_or(0, |(_, len)| len)
    }
}

/// A range of memory that was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotWritten {
    /// First address of the range.
    pub iova: u64,
    /// Number of bytes.
    pub len: usize,
}

#[derive(Debug)]
struct Queued {
    group: u64,
    op: ClientOp,
}

/// The operation that was taken last.
#[derive(Clone, Copy, Debug)]
struct UnderWay {
    group: u64,
    iova: u64,
    len: usize,
}

/// The queue of one function.
#[derive(Debug, Default)]
pub struct ClientQueue {
    ops: VecDeque<Queued>,
    /// Number of queued operations on memory.
    operations: usize,
    /// Bytes of all queued operations.
    bytes: usize,
    /// The operation that was taken last, until it has been carried out.
    under_way: Option<UnderWay>,
    /// Number of the group to which new operations belong.
    group: u64,
}

/// The error of a full queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFull;

impl ClientQueue {
    /// True if every operation is done, so that the next one can be carried out at once.
    pub fn is_done(&self) -> bool {
        self.ops.is_empty() && self.under_way.is_none()
    }

    /// True if an operation waits to be taken.
    pub fn has_waiting(&self) -> bool {
        !self.ops.is_empty()
    }

    /// True if a move may queue `more` operations of `bytes` bytes in all.
    pub fn has_room(&self, more: usize, bytes: usize) -> bool {
        self.operations.saturating_add(more) <= QUEUED_OPERATIONS
            && self.bytes.saturating_add(bytes) <= QUEUED_BYTES
    }

    /// Begins a group of operations that belong together.
    pub fn begin(&mut self) {
        self.group += 1;
    }

    /// Adds an operation after the others.
    pub fn push(&mut self, op: ClientOp) -> Result<(), QueueFull> {
        let bytes = self.bytes.saturating_add(op.bytes());
        // The rest of a move that has begun is only a few bytes. Each group ends once.
        let on_memory = op.range().is_some();
        if on_memory && (self.operations >= MOST || bytes > QUEUED_BYTES + QUEUED_BEYOND) {
            return Err(QueueFull);
        }
        self.bytes = bytes;
        self.operations += usize::from(on_memory);
        let group = self.group;
        self.ops.push_back(Queued { group, op });
        Ok(())
    }

    /// Takes the oldest operation and marks the previous one as done. The operation is in progress until the
    /// next call.
    pub fn take(&mut self) -> Option<ClientOp> {
        self.under_way = None;
        let Queued { group, op } = self.ops.pop_front()?;
        if let Some((iova, len)) = op.range() {
            self.under_way = Some(UnderWay { group, iova, len });
            self.bytes -= len;
            self.operations -= 1;
        }
        Some(op)
    }

    /// Records that the current operation failed, and drops the waiting operations of its group.
    pub fn fail(&mut self) {
        if let Some(under_way) = self.under_way {
            self.drop_groups(&[under_way.group]);
        }
    }

    /// Cancels every operation on a range whose memory is no longer lent, and the waiting operations of their
    /// groups. `bytes` of `None` means all memory. Returns one unwritten range for each group, and true if
    /// the current operation is affected.
    pub fn cancel(&mut self, iova: u64, bytes: Option<u64>) -> (Vec<NotWritten>, bool) {
        let last = bytes.map_or(u64::MAX, |bytes| {
            iova.saturating_add(bytes.saturating_sub(1))
        });
        let meets = |(at, len): (u64, usize)| {
            at <= last && at.saturating_add((len as u64).saturating_sub(1)) >= iova
        };
        let mut groups: Vec<u64> = Vec::new();
        let mut not_written = Vec::new();
        let mut note = |group, iova, len| {
            if groups.last() != Some(&group) {
                groups.push(group);
                not_written.push(NotWritten { iova, len });
            }
        };
        let under_way = self.under_way.filter(|op| meets((op.iova, op.len)));
        if let Some(UnderWay { group, iova, len }) = under_way {
            note(group, iova, len);
        }
        for Queued { group, op } in &self.ops {
            if let Some((iova, len)) = op.range().filter(|range| meets(*range)) {
                note(*group, iova, len);
            }
        }
        self.drop_groups(&groups);
        (not_written, under_way.is_some())
    }

    /// Drops the operations of these groups (in ascending order); only their deliveries stay.
    fn drop_groups(&mut self, groups: &[u64]) {
        if groups.is_empty() {
            return;
        }
        let (bytes, operations) = (&mut self.bytes, &mut self.operations);
        self.ops.retain_mut(|queued| {
            if groups.binary_search(&queued.group).is_err() {
                return true;
            }
            if let ClientOp::Deliver { arrived, .. } = &mut queued.op {
                *arrived = false;
                return true;
            }
            *bytes -= queued.op.bytes();
            *operations -= 1;
            false
        });
    }

    /// Drops all waiting operations, and returns the deliveries that failed by that. The current operation
    /// stays in progress.
    pub fn drain(&mut self) -> Vec<Delivery> {
        (self.bytes, self.operations) = (0, 0);
        let ops = self.ops.drain(..);
        ops.filter_map(|queued| match queued.op {
            ClientOp::Deliver { delivery, .. } => Some(delivery),
            _ => None,
        })
        .collect()
    }

    /// Like [`ClientQueue::drain`], and ends the current operation too, because the client is gone.
    pub fn clear(&mut self) -> Vec<Delivery> {
        let deliveries = self.drain();
        *self = Self::default();
        deliveries
    }
}

#[cfg(test)]
mod tests;
