//! Opt-in rules about the bytes that SMC-D puts into a DMB (Linux 6.12 `net/smc/smc_cdc.h`, `smc_cdc.c`, `smc_tx.c`).
//!
//! A DMB is a 32-byte message area and a ring of the rest. One send is data in the ring without
//! the signal flag, then the 32-byte CDC message at 0 with it. The message's producer cursor says
//! how far the ring is filled, its consumer cursor how far the sender has emptied its own.
//!
//! DMBs outlive connections: SMC recycles them and starts again with cursors of zero, and nothing
//! tells the device. The rules assume a new connection
//!
//! - after a message with the closed or abort flag: when data is stored at the start of the ring,
//!   or a cursor of the next message runs backwards;
//! - without such a message: when the producer cursor is back at zero, or when the consumer cursor
//!   is zero and the producer cursor counts exactly the bytes stored from the start of the ring.
//!
//! So they miss a cursor that runs backwards to just there.

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

/// Size of the ring in a DMB, in bytes.
fn ring(dmb: &Dmb) -> u64 {
    u64::from(dmb.len).saturating_sub(MESSAGE_LEN)
}

impl Other {
    /// The DMB of `token`, whose writer has told what `told` has seen of it.
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

/// The connections on which one function sends, by DMB.
#[derive(Clone, Debug, Default)]
pub(crate) struct SmcdOrder {
    connections: BTreeMap<u64, Connection>,
}

impl SmcdOrder {
    /// With no connection yet; `None` if every rule of the group is off.
    pub(crate) fn watching(rules: &RuleSet) -> Option<Self> {
        let mut group = CATALOGUE.iter().filter(|info| info.group == Group::Smcd);
        let on = |info: &RuleInfo| rules.severity(info.rule) != Severity::Off;
        group.any(on).then(Self::default)
    }

    /// Judges a store; returns the state to keep if it is carried out. `others` are the DMBs of
    /// the other direction, asked for only if the store is a message.
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

    /// Forgets a DMB that is no more.
    pub(crate) fn forget(&mut self, token: u64) {
        self.connections.remove(&token);
    }
}

#[cfg(test)]
mod tests;
