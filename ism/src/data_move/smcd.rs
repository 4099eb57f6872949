//! Opt-in: what SMC-D puts into a DMB (Linux 6.12 `net/smc/smc_cdc.h`, `smc_cdc.c`, `smc_tx.c`).
//!
//! A DMB is a 32-byte message area and a ring of the rest. One send is data in the ring without
//! the signal flag, then the 32-byte CDC message at 0 with it. The message's producer cursor says
//! how far the ring is filled, its consumer cursor how far the sender has emptied its own.
//!
//! DMBs outlive connections: SMC recycles them and starts again with cursors of zero, and nothing
//! tells the device. A new connection is assumed when, after a message with the closed or abort
//! flag, data is stored at the start of the ring or a message does not go on from the last one;
//! and without such a message when the producer cursor is back at zero, or when the consumer
//! cursor is zero and the producer's counts exactly the bytes stored from the start of the ring.
//! A cursor that runs backwards to just there is missed.

use std::collections::BTreeMap;

use zpci_region::Judgement;
use zpci_region::rule::{Rule, RuleSet, Severity};

use super::order::{MESSAGE_LEN, Piece};
use crate::dmb::Dmb;
use crate::layout::Fields;

mod ring;

use ring::Stored;

const MESSAGE_TYPE: u8 = 0xfe;
/// Connection state flags in a message: abort, closed.
const ENDED: u8 = 0x20 | 0x40;
/// Of them, abort: what was stored may stay unannounced.
const ABORT: u8 = 0x20;

/// Whether any rule of the group is on.
pub(crate) fn enabled(rules: &RuleSet) -> bool {
    [
        Rule::CdcNotAMessage,
        Rule::CdcDataBelowRing,
        Rule::CdcProducerMismatch,
        Rule::CdcCursorBackwards,
        Rule::CdcDataAfterAbort,
    ]
    .into_iter()
    .any(|rule| rules.severity(rule) != Severity::Off)
}

/// A position in a ring, and how often it was passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cursor {
    wrap: u16,
    count: u32,
}

impl Cursor {
    const ZERO: Self = Self { wrap: 0, count: 0 };

    /// Whether it lies behind `old`; wraps are counted modulo 2^16.
    fn is_before(self, old: Self) -> bool {
        match self.wrap.wrapping_sub(old.wrap) {
            0 => self.count < old.count,
            wraps => wraps > u16::MAX / 2,
        }
    }
}

/// A CDC message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Message {
    producer: Cursor,
    consumer: Cursor,
    state: u8,
}

impl Message {
    /// Parses the 32 bytes of a message: type, 7 zero bytes, two cursors, 8 zero bytes.
    fn parse(piece: Piece, data: &[u8]) -> Option<Self> {
        let fields = Fields(data);
        let zeros = fields.u64(0) == u64::from(MESSAGE_TYPE) << 56 && fields.u64(24) == 0;
        let cursor = |at| Cursor {
            wrap: fields.u16(at),
            count: fields.u32(at + 2),
        };
        (piece.is_message() && zeros).then(|| Self {
            producer: cursor(8),
            consumer: cursor(16),
            state: data.get(23).copied().unwrap_or(0),
        })
    }

    fn ends(&self) -> bool {
        self.state & ENDED != 0
    }
}

/// One direction of a connection, as its sender has told it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Connection {
    producer: Cursor,
    consumer: Cursor,
    stored: Stored,
    ended: bool,
}

impl Connection {
    fn store(mut self, start: u64, end: u64, judgement: &mut Judgement<'_>) -> Self {
        if start < MESSAGE_LEN {
            judgement.broken(Rule::CdcDataBelowRing, || {
                format!("data stored at {start:#x}: expected it at 0x20 or above, in the ring")
            });
        }
        let (from, to) = (
            start.saturating_sub(MESSAGE_LEN),
            end.saturating_sub(MESSAGE_LEN),
        );
        if self.ended && from == 0 {
            self = Self::default();
        }
        if self.ended {
            judgement.broken(Rule::CdcDataAfterAbort, || format!("data stored at {start:#x} after a message with the closed or abort flag: expected none"));
        }
        self.stored.add(from, to);
        self
    }

    fn message(mut self, message: Message, ring: u64, judgement: &mut Judgement<'_>) -> Self {
        if self.starts_again(message) {
            self.producer = Cursor::ZERO;
            self.consumer = Cursor::ZERO;
        }
        self.judge(message, ring, judgement);
        Self {
            producer: message.producer,
            consumer: message.consumer,
            stored: Stored::default(),
            ended: message.ends(),
        }
    }

    /// Whether the message belongs to a new connection in a recycled DMB.
    fn starts_again(&self, message: Message) -> bool {
        let Message {
            producer, consumer, ..
        } = message;
        let back = producer.is_before(self.producer) || consumer.is_before(self.consumer);
        let reset = producer == Cursor::ZERO && self.producer != Cursor::ZERO;
        let from_zero = producer.wrap == 0
            && consumer == Cursor::ZERO
            && self.stored.is_exactly(0, u64::from(producer.count));
        (self.ended && back) || reset || from_zero
    }

    fn judge(&self, message: Message, ring: u64, judgement: &mut Judgement<'_>) {
        let mut backwards = |which, old: Cursor, new: Cursor| {
            if new.is_before(old) {
                judgement.broken(Rule::CdcCursorBackwards, || format!(
                        "{which} cursor {}/{} after {}/{} (wraps/bytes): expected it not to run backwards",
                        new.wrap, new.count, old.wrap, old.count
                    ));
            }
        };
        backwards("producer", self.producer, message.producer);
        backwards("consumer", self.consumer, message.consumer);
        if message.producer.is_before(self.producer) {
            return;
        }
        let complaint = self.mismatch(message, ring);
        if let Some(complaint) = complaint {
            judgement.broken(Rule::CdcProducerMismatch, || format!(
                    "producer cursor {}/{} after {}/{} (wraps/bytes) in a ring of {ring}: {complaint}",
                    message.producer.wrap,
                    message.producer.count,
                    self.producer.wrap,
                    self.producer.count
                ));
        }
    }

    /// What is wrong with the way from the old producer cursor to the new one.
    fn mismatch(&self, message: Message, ring: u64) -> Option<String> {
        let (old, new) = (
            u64::from(self.producer.count),
            u64::from(message.producer.count),
        );
        if new >= ring {
            return Some("expected it inside the ring".to_owned());
        }
        let wraps = message.producer.wrap.wrapping_sub(self.producer.wrap);
        let parts = match wraps {
            0 => [(old, new), (0, 0)],
            1 if new <= old => [(old, ring), (0, new)],
            _ => return Some("expected at most one round".to_owned()),
        };
        if self.stored.is_unknown() {
            return None;
        }
        if let Some((from, to)) = parts
            .iter()
            .find(|(from, to)| !self.stored.covers(*from, *to))
        {
            return Some(format!(
                "of the bytes {from}..{to} not all were stored since the last message"
            ));
        }
        let announced: u64 = parts
            .iter()
            .map(|(from, to)| to.saturating_sub(*from))
            .sum();
        let stored = self.stored.total();
        (stored != announced && message.state & ABORT == 0).then(|| {
            format!("{stored} bytes were stored since the last message, expected {announced}")
        })
    }
}

/// What one function told of the connections it sends on, by DMB.
#[derive(Clone, Debug, Default)]
pub(crate) struct SmcdOrder {
    connections: BTreeMap<u64, Connection>,
}

impl SmcdOrder {
    /// Judges a store; returns the state to keep if it is carried out.
    pub fn judge(
        &self,
        dmb: &Dmb,
        piece: Piece,
        data: &[u8],
        judgement: &mut Judgement<'_>,
    ) -> Connection {
        let connection = self
            .connections
            .get(&piece.token)
            .cloned()
            .unwrap_or_default();
        if !piece.signal {
            return connection.store(piece.start, piece.end, judgement);
        }
        let Some(message) = Message::parse(piece, data) else {
            judgement.broken(Rule::CdcNotAMessage, || format!(
                    "signal store of {} bytes at {:#x}: expected a CDC message, 32 bytes at 0x0, type 0xfe, zeros where nothing is defined",
                    data.len(),
                    piece.start
                ));
            return connection;
        };
        let ring = u64::from(dmb.len).saturating_sub(MESSAGE_LEN);
        connection.message(message, ring, judgement)
    }

    /// Keeps the state after a store that was carried out.
    pub fn note(&mut self, token: u64, connection: Connection) {
        self.connections.insert(token, connection);
    }

    /// Forgets a DMB that is no more.
    pub fn forget(&mut self, token: u64) {
        self.connections.remove(&token);
    }
}

#[cfg(test)]
mod tests;
