//! Memory that came without a descriptor: what the device did to it, waiting for messages.
//!
//! A region access never waits for the client, so the device's writes are queued here in order and
//! carried out by the connection one message at a time. Bits in such memory are set by a read and
//! a write; that is not atomic towards the guest, and cannot be: the log says so once.

use std::collections::VecDeque;

/// Operations kept at most; a full queue refuses moves until the client answers.
pub const MAX_QUEUED: usize = 1024;

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

/// The queue of one function.
#[derive(Debug, Default)]
pub struct ClientQueue {
    ops: VecDeque<ClientOp>,
}

impl ClientQueue {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Whether nothing more may be queued.
    pub fn is_full(&self) -> bool {
        self.ops.len() >= MAX_QUEUED
    }

    /// Adds an operation behind the others.
    pub fn push(&mut self, op: ClientOp) {
        self.ops.push_back(op);
    }

    /// Takes the oldest operation.
    pub fn pop(&mut self) -> Option<ClientOp> {
        self.ops.pop_front()
    }

    /// Forgets everything: the client is gone.
    pub fn clear(&mut self) {
        self.ops.clear();
    }
}
