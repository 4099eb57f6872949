// SPDX-License-Identifier: GPL-2.0-or-later
//! The way to a function's server, and the state of a defect between two instructions.

use std::collections::HashMap;

use zpci_region::request::Op;

use super::undo::Undo;
use crate::forward::access::Access;
use crate::forward::channel::{Answer, Channel};
use crate::forward::channel_error::ChannelError;
use crate::forward::message::{Place, begin_store, load};

/// The state that a defect keeps from one instruction to the next.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Bytes of the previous block.
    pub(super) block: Vec<u8>,
    /// A store that is held back.
    pub(super) held: Option<Held>,
    /// Loaded values, by address space and offset.
    pub(super) loaded: HashMap<(u8, u64), u64>,
    /// Number of instructions carried out.
    pub(super) count: u64,
    /// Changes to undo after the instruction that QEMU executes now.
    pub(super) undo: Undo,
}

#[derive(Debug)]
pub(super) struct Held {
    pub(super) function: usize,
    pub(super) op: Op,
    pub(super) place: Place,
    pub(super) bytes: Vec<u8>,
    /// Number of instructions that the store waits beyond the next one.
    pub(super) late: u32,
}

/// The way to one function's server.
#[derive(Debug)]
pub(crate) struct Wire<'a> {
    pub(super) function: usize,
    pub(super) channel: &'a mut Channel,
    pub(super) memory: &'a mut Memory,
}

impl Wire<'_> {
    /// Sends a store.
    ///
    /// # Errors
    /// The channel has failed.
    pub(crate) fn store(
        &mut self,
        op: Op,
        place: Place,
        bytes: &[u8],
    ) -> Result<Answer<()>, ChannelError> {
        let id = self.channel.take_ids(1);
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        let mut message = Vec::new();
        begin_store(&mut message, id, op, Place { length, ..place });
        message.extend_from_slice(bytes);
        self.channel.store(id, &message)
    }

    /// Sends a load. Returns the register.
    ///
    /// # Errors
    /// The channel has failed.
    pub(crate) fn load(&mut self, place: Place) -> Result<Answer<u64>, ChannelError> {
        let id = self.channel.take_ids(2);
        let mut messages = Vec::new();
        load(&mut messages, id, place);
        self.channel.load(id, &messages)
    }

    /// Holds a store back until the next instruction, or `late` instructions longer.
    pub(crate) fn hold(&mut self, access: &Access, bytes: &[u8], late: u32) {
        self.memory.held = Some(Held {
            function: self.function,
            op: access.op,
            place: access.place,
            bytes: bytes.to_vec(),
            late,
        });
    }

    /// Sends the held-back store.
    ///
    /// # Errors
    /// The channel has failed.
    pub(crate) fn flush(&mut self) -> Result<(), ChannelError> {
        if let Some(held) = self.memory.held.take() {
            // The guest already got condition code 0.
            let _ = self.store(held.op, held.place, &held.bytes)?;
        }
        Ok(())
    }
}
