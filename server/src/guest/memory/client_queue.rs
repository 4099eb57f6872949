//! Memory that came without a descriptor: what the device did to it, waiting for messages.
//!
//! A region access never waits for the client, so the device's writes are queued here in order and
//! carried out by the connection one message at a time. Bits in such memory are set by a read and
//! a write; that is not atomic towards the guest, and cannot be: the log says so once.

use std::collections::VecDeque;

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
    /// Raise an interrupt once everything before it is done.
    Interrupt(u16),
}

impl ClientOp {
    fn bytes(&self) -> usize {
        match self {
            ClientOp::Write { bytes, .. } | ClientOp::SetBits { masks: bytes, .. } => bytes.len(),
            ClientOp::Interrupt(_) => 0,
        }
    }
}

/// The queue of one function.
#[derive(Debug, Default)]
pub struct ClientQueue {
    ops: VecDeque<ClientOp>,
    /// Bytes of all operations that wait.
    bytes: usize,
    /// The last operation taken has not been carried out yet.
    under_way: bool,
}

/// Nothing more can be queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFull;

impl ClientQueue {
    /// Whether everything is done: what comes now may be carried out at once.
    pub fn is_done(&self) -> bool {
        self.ops.is_empty() && !self.under_way
    }

    /// Whether an operation waits to be taken.
    pub fn has_waiting(&self) -> bool {
        !self.ops.is_empty()
    }

    /// Whether a move may queue `more` operations of `bytes` bytes together.
    pub fn has_room(&self, more: usize, bytes: usize) -> bool {
        self.ops.len().saturating_add(more) <= QUEUED_OPERATIONS
            && self.bytes.saturating_add(bytes) <= QUEUED_BYTES
    }

    /// Adds an operation behind the others. An interrupt that follows the same interrupt is one.
    pub fn push(&mut self, op: ClientOp) -> Result<(), QueueFull> {
        if matches!(op, ClientOp::Interrupt(_)) && self.ops.back() == Some(&op) {
            return Ok(());
        }
        let bytes = self.bytes.saturating_add(op.bytes());
        // What belongs to a move already begun is a few bytes more.
        if self.ops.len() >= MOST || bytes > QUEUED_BYTES + QUEUED_BEYOND {
            return Err(QueueFull);
        }
        self.bytes = bytes;
        self.ops.push_back(op);
        Ok(())
    }

    /// Takes the oldest operation; the one before it has been carried out. It is under way until
    /// the next call.
    pub fn take(&mut self) -> Option<ClientOp> {
        let op = self.ops.pop_front();
        self.under_way = op.is_some();
        self.bytes -= op.as_ref().map_or(0, ClientOp::bytes);
        op
    }

    /// Forgets everything: the client is gone.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_under_way_until_the_next_is_asked_for() {
        let mut queue = ClientQueue::default();
        assert!(queue.is_done());
        queue.push(ClientOp::Interrupt(0)).unwrap();
        assert!(queue.has_waiting() && !queue.is_done());
        assert_eq!(queue.take(), Some(ClientOp::Interrupt(0)));
        assert!(!queue.has_waiting() && !queue.is_done());
        assert_eq!(queue.take(), None);
        assert!(queue.is_done());
    }

    #[test]
    fn it_is_bounded_and_interrupts_in_a_row_are_one() {
        let mut queue = ClientQueue::default();
        let write = || ClientOp::Write {
            iova: 0,
            bytes: Vec::new(),
        };
        while queue.has_room(1, 0) {
            queue.push(write()).unwrap();
            queue.push(ClientOp::Interrupt(0)).unwrap();
            queue.push(ClientOp::Interrupt(0)).unwrap();
        }
        assert_eq!(queue.ops.len(), QUEUED_OPERATIONS);
        let more = std::iter::repeat_with(|| queue.push(write()));
        assert_eq!(
            more.take_while(Result::is_ok).count(),
            MOST - QUEUED_OPERATIONS
        );
        queue.clear();
        assert!(queue.is_done() && queue.has_room(QUEUED_OPERATIONS, QUEUED_BYTES));
    }

    #[test]
    fn its_bytes_are_bounded_too() {
        let mut queue = ClientQueue::default();
        let write = || ClientOp::Write {
            iova: 0,
            bytes: vec![0; 1 << 20],
        };
        let mut queued = 0;
        while queue.has_room(1, 1 << 20) {
            queue.push(write()).unwrap();
            queued += 1 << 20;
        }
        assert_eq!(queued, QUEUED_BYTES);
        assert_eq!(queue.push(write()), Err(QueueFull));
        // Bits and interrupt of the move that filled it.
        let masks = vec![0x80];
        queue.push(ClientOp::SetBits { iova: 0, masks }).unwrap();
        queue.push(ClientOp::Interrupt(0)).unwrap();
        while queue.take().is_some() {}
        assert!(queue.has_room(QUEUED_OPERATIONS, QUEUED_BYTES));
    }
}
