//! Writes of the device into memory that came without a descriptor, waiting for messages.
//!
//! A region access never waits for the client. So the device's writes are queued here in order, and
//! the connection carries them out one message at a time. Bits are set by a read and a write, which
//! is not atomic towards the guest: the log says so once.
//!
//! Operations that belong together (a move, an event) end with their [`Delivery`]. If one of them
//! fails or is cancelled, those behind it go with it, and the delivery says so.

use std::collections::VecDeque;

use ism::Delivery;

use crate::limits::{QUEUED_BEYOND, QUEUED_BYTES, QUEUED_OPERATIONS};

/// Operations queued at most, with those that belong to a move already begun.
const MOST: usize = QUEUED_OPERATIONS + QUEUED_BEYOND;

/// One thing to do for a function's guest, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientOp {
    /// Write bytes.
    Write {
        /// First iova.
        iova: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// OR bits into bytes: read, change, write.
    SetBits {
        /// First iova.
        iova: u64,
        /// One mask per byte.
        masks: Vec<u8>,
    },
    /// Everything before it is done.
    Deliver {
        /// The end of a move or an event.
        delivery: Delivery,
        /// Whether all of it arrived.
        arrived: bool,
    },
}

impl ClientOp {
    /// First iova and bytes, for an operation on memory.
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

/// Bytes that were not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotWritten {
    /// First iova.
    pub iova: u64,
    /// Bytes.
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
    /// Operations on memory among them.
    operations: usize,
    /// Bytes of all operations that wait.
    bytes: usize,
    /// The last operation taken has not been carried out yet.
    under_way: Option<UnderWay>,
    /// The group of the operations that are pushed now.
    group: u64,
}

/// Nothing more can be queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFull;

impl ClientQueue {
    /// Whether everything is done: what comes now may be carried out at once.
    pub fn is_done(&self) -> bool {
        self.ops.is_empty() && self.under_way.is_none()
    }

    /// Whether an operation waits to be taken.
    pub fn has_waiting(&self) -> bool {
        !self.ops.is_empty()
    }

    /// Whether a move may queue `more` operations of `bytes` bytes together.
    pub fn has_room(&self, more: usize, bytes: usize) -> bool {
        self.operations.saturating_add(more) <= QUEUED_OPERATIONS
            && self.bytes.saturating_add(bytes) <= QUEUED_BYTES
    }

    /// Begins a group of operations that belong together.
    pub fn begin(&mut self) {
        self.group += 1;
    }

    /// Adds an operation behind the others.
    pub fn push(&mut self, op: ClientOp) -> Result<(), QueueFull> {
        let bytes = self.bytes.saturating_add(op.bytes());
        // What belongs to a move already begun is a few bytes more. Each group ends once.
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

    /// Takes the oldest operation; the one before it has been carried out. It is under way until
    /// the next call.
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

    /// The operation under way failed: those of its group that wait go with it.
    pub fn fail(&mut self) {
        if let Some(under_way) = self.under_way {
            self.drop_groups(&[under_way.group]);
        }
    }

    /// Cancels every operation on the range, with those of its group that wait: the memory is no
    /// longer lent. `bytes` of `None` is all of it. Returns what is not written, one for each group,
    /// and whether the operation under way is among them.
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

    /// Drops the operations of these groups (ascending); only their deliveries stay.
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

    /// Forgets everything that waits, and returns the deliveries that came to nothing. The operation
    /// under way stays under way.
    pub fn drain(&mut self) -> Vec<Delivery> {
        (self.bytes, self.operations) = (0, 0);
        let ops = self.ops.drain(..);
        ops.filter_map(|queued| match queued.op {
            ClientOp::Deliver { delivery, .. } => Some(delivery),
            _ => None,
        })
        .collect()
    }

    /// As [`ClientQueue::drain`]; nothing is under way any more: the client is gone.
    pub fn clear(&mut self) -> Vec<Delivery> {
        let deliveries = self.drain();
        *self = Self::default();
        deliveries
    }
}

#[cfg(test)]
mod tests;
