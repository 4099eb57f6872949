//! Optional rules about the bytes that SMC-D puts into a DMB (Linux 6.12 `net/smc/smc_cdc.h`, `smc_cdc.c`,
//! `smc_tx.c`).
//!
//! A DMB consists of a 32-byte message area and a ring. To send, SMC-D stores data in the ring without the
//! signal flag, and then the 32-byte CDC message at offset 0 with the flag. The message's producer cursor
//! says how far the sender has filled this ring; its consumer cursor says how far the sender has emptied its
//! own ring.
//!
//! A DMB outlives its connections: SMC uses it again with cursors that start at zero, and does not inform the
//! device. The rules assume a new connection
//!
//! - after a message with the closed or abort flag: when data is stored at the start of the ring,
//!   or a cursor of the next message runs backwards;
//! - without such a message: when the producer cursor is back at zero, or when the consumer cursor
//!   is zero and the producer cursor counts exactly the bytes stored from the start of the ring.
//!
//! So the rules miss a cursor that runs backwards to exactly such a position.

use std::collections::BTreeMap;

use zpci_region::Judgement;
use zpci_region::rule::catalogue::CATALOGUE;
use zpci_region::rule::{Group, Rule, RuleInfo, RuleSet, Severity};

use super::order::{MESSAGE_LEN, Piece};
use crate::dmb::Dmb;

mod connection;
mod message;
mod ring;

pub(crate) use connection::{Connection, Other};
use message::Message;

/// Returns the size of the ring in a DMB, in bytes.
fn ring(dmb: &Dmb) -> u64 {
    u64::from(dmb.len).saturating_sub(MESSAGE_LEN)
}

impl Other {
    /// Describes the DMB of `token`; `told` holds the messages of its writer, if they are watched.
    pub(crate) fn new(dmb: &Dmb, told: Option<&SmcdOrder>, token: u64) -> Self {
        let cursors = |told: &SmcdOrder| {
            let known = told.connections.get(&token);
            known.map(|known| known.cursors).unwrap_or_default()
        };
        Self {
            ring: ring(dmb),
            told: told.map(cursors),
        }
    }
}

/// The connections on which one function sends, by token of the DMB.
#[derive(Clone, Debug, Default)]
pub(crate) struct SmcdOrder {
    connections: BTreeMap<u64, Connection>,
}

impl SmcdOrder {
    /// Creates the state before any connection; `None` if every rule of the group is off.
    pub(crate) fn watching(rules: &RuleSet) -> Option<Self> {
        let mut group = CATALOGUE.iter().filter(|info| info.group == Group::Smcd);
        let on = |info: &RuleInfo| rules.severity(info.rule) != Severity::Off;
        group.any(on).then(Self::default)
    }

    /// Judges a store. Returns the state to keep if the store is carried out. `others` lists the DMBs of the
    /// other direction; it is called only if the store is a message.
    pub(crate) fn judge(
        &self,
        dmb: &Dmb,
        piece: Piece,
        data: &[u8],
        others: impl FnOnce() -> Vec<Other>,
        judgement: &mut Judgement<'_>,
    ) -> Connection {
        let connection = self.connections.get(&piece.token).cloned();
        let connection = connection.unwrap_or_default();
        if !piece.signal {
            return connection.store(piece.start, piece.end, judgement);
        }
        let Some(message) = Message::parse(piece, data) else {
            judgement.broken(Rule::CdcNotAMessage, || {
                format!(
                    "signal store of {} bytes at {:#x}: expected a CDC message, 32 bytes at 0x0, type 0xfe, zeros where nothing is defined",
                    data.len(),
                    piece.start
                )
            });
            return connection;
        };
        connection.message(message, ring(dmb), &others(), judgement)
    }

    /// Keeps the state after a store that was carried out.
    pub(crate) fn note(&mut self, token: u64, connection: Connection) {
        self.connections.insert(token, connection);
    }

    /// Forgets a DMB that was unregistered.
    pub(crate) fn forget(&mut self, token: u64) {
        self.connections.remove(&token);
    }
}

#[cfg(test)]
mod tests;
