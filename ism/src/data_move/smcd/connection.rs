//! One direction of a connection: the data and messages of its sender.

use zpci_region::{Judgement, Rule};

use super::super::order::MESSAGE_LEN;
use super::message::{Cursor, Message, flag, state};
use super::ring::Stored;

/// A DMB of the other direction: its ring, and the cursors that its writer has announced. The device does not
/// know which two DMBs make a connection, so the rules compare with every candidate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Other {
    /// Size of the ring in bytes.
    pub(super) ring: u64,
    /// The writer's last cursors; `None` if its messages are not watched.
    pub(super) told: Option<Cursors>,
}

/// The cursors of a message: how far its sender has filled one ring and emptied its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursors {
    pub producer: Cursor,
    pub consumer: Cursor,
}

/// One direction of a connection, from the messages of its sender.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Connection {
    pub(super) cursors: Cursors,
    stored: Stored,
    /// Producer flags of the last message.
    flags: u8,
    /// True if the producer cursor has moved.
    sent: bool,
    done: bool,
    ended: bool,
}

impl Connection {
    #[cfg(test)]
    pub(crate) fn at(producer: (u16, u32), consumer: (u16, u32)) -> Self {
        let cursor = |(wrap, count)| Cursor { wrap, count };
        Self {
            cursors: Cursors {
                producer: cursor(producer),
                consumer: cursor(consumer),
            },
            ..Self::default()
        }
    }

    /// Judges data stored at `start..end` of the DMB. Returns the new state.
    pub(crate) fn store(mut self, start: u64, end: u64, judgement: &mut Judgement<'_>) -> Self {
        if start < MESSAGE_LEN {
            judgement.broken(Rule::CdcDataBelowRing, || {
                format!("data stored at {start:#x}: expected it at 0x20 or above, in the ring")
            });
        }
        let from = start.saturating_sub(MESSAGE_LEN);
        if self.ended && from == 0 {
            self = Self::default();
        }
        if self.ended {
            judgement.broken(Rule::CdcDataAfterAbort, || {
                format!("data stored at {start:#x} after a message with the closed or abort flag: expected none")
            });
        } else if self.done {
            judgement.broken(Rule::CdcDataAfterDone, || {
                format!("data stored at {start:#x} after a message with the flag done writing: expected none")
            });
        }
        self.stored.add(from, end.saturating_sub(MESSAGE_LEN));
        self
    }

    /// Judges a message into a ring of this size. Returns the new state.
    pub(super) fn message(
        mut self,
        message: Message,
        ring: u64,
        others: &[Other],
        judgement: &mut Judgement<'_>,
    ) -> Self {
        if self.starts_again(message) {
            let stored = std::mem::take(&mut self.stored);
            self = Self {
                stored,
                ..Self::default()
            };
        }
        self.judge_producer(message, ring, others, judgement);
        self.judge_consumer(message, others, judgement);
        self.judge_flags(message, judgement);
        Self {
            cursors: Cursors {
                producer: message.producer,
                consumer: message.consumer,
            },
            stored: Stored::default(),
            flags: message.flags,
            sent: self.sent || self.moves(message),
            done: message.is_done(),
            ended: message.ends(),
        }
    }

    /// True if the message belongs to a new connection in a reused DMB.
    fn starts_again(&self, message: Message) -> bool {
        let Message {
            producer, consumer, ..
        } = message;
        let old = self.cursors;
        let back = producer.is_before(old.producer) || consumer.is_before(old.consumer);
        let reset = producer == Cursor::ZERO && old.producer != Cursor::ZERO;
        let from_zero = producer.wrap == 0
            && consumer == Cursor::ZERO
            && self.stored.is_exactly(0, u64::from(producer.count));
        (self.ended && back) || reset || from_zero
    }

    fn moves(&self, message: Message) -> bool {
        message.producer != self.cursors.producer
    }

    fn judge_producer(
        &self,
        message: Message,
        ring: u64,
        others: &[Other],
        judgement: &mut Judgement<'_>,
    ) {
        let (old, new) = (self.cursors.producer, message.producer);
        if new.is_before(old) {
            backwards("producer", old, new, judgement);
            return;
        }
        if let Some(complaint) = self.mismatch(message, ring) {
            judgement.broken(Rule::CdcProducerMismatch, || {
                format!("producer cursor {new} after {old} (wraps/bytes) in a ring of {ring}: {complaint}")
            });
        }
        // A receiver that has sent no message has consumed nothing.
        let fits = |consumer| {
            new.distance(consumer, ring)
                .is_some_and(|bytes| bytes <= ring)
        };
        let told: Option<Vec<_>> = others.iter().map(|other| other.told).collect();
        if let Some(told) = told
            && self.moves(message)
            && !fits(Cursor::ZERO)
            && !told.iter().any(|cursors| fits(cursors.consumer))
        {
            judgement.broken(Rule::CdcRingOverrun, || {
                let consumers: Vec<_> = told.iter().map(|cursors| cursors.consumer.to_string()).collect();
                format!(
                    "producer cursor {new} in a ring of {ring}, consumer cursors {}: expected at most one ring of bytes between them",
                    consumers.join(", ")
                )
            });
        }
    }

    /// Describes the error in the step from the old producer cursor to the new one, if there is one.
    fn mismatch(&self, message: Message, ring: u64) -> Option<String> {
        let (before, after) = (self.cursors.producer, message.producer);
        let (old, new) = (u64::from(before.count), u64::from(after.count));
        if new >= ring {
            return Some("expected it inside the ring".to_owned());
        }
        let parts = match after.wrap.wrapping_sub(before.wrap) {
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
                "not all of the bytes {from}..{to} were stored since the last message"
            ));
        }
        let announced: u64 = parts
            .iter()
            .map(|(from, to)| to.saturating_sub(*from))
            .sum();
        let stored = self.stored.total();
        // An abort may leave stored bytes unannounced.
        (stored != announced && !message.aborts()).then(|| {
            format!("{stored} bytes were stored since the last message, expected {announced}")
        })
    }

    fn judge_consumer(&self, message: Message, others: &[Other], judgement: &mut Judgement<'_>) {
        let (old, new) = (self.cursors.consumer, message.consumer);
        if new.is_before(old) {
            backwards("consumer", old, new, judgement);
            return;
        }
        if new.jumps(old) {
            judgement.broken(Rule::CdcConsumerJump, || {
                format!("consumer cursor {new} after {old} (wraps/bytes): expected at most one round between two messages")
            });
        }
        if new == Cursor::ZERO {
            return;
        }
        let ring = others.iter().map(|other| other.ring).max().unwrap_or(0);
        if u64::from(new.count) >= ring {
            judgement.broken(Rule::CdcConsumerOutside, || {
                format!("consumer cursor {new} (wraps/bytes): expected it inside the largest ring of its sender for this receiver, {ring} bytes")
            });
            return;
        }
        let told: Option<Vec<_>> = others.iter().map(|other| other.told).collect();
        if let Some(told) = told
            && told.iter().all(|cursors| cursors.producer.is_before(new))
        {
            judgement.broken(Rule::CdcConsumerAhead, || {
                let producers: Vec<_> = told.iter().map(|cursors| cursors.producer.to_string()).collect();
                format!("consumer cursor {new} (wraps/bytes), producer cursors {}: expected it to follow one of them", producers.join(", "))
            });
        }
    }

    fn judge_flags(&self, message: Message, judgement: &mut Judgement<'_>) {
        let Message { flags, unread, .. } = message;
        if unread != 0 {
            judgement.broken(Rule::CdcFlagsInProducer, || {
                format!("bytes 14 and 15 of a CDC message are {unread:#06x}: expected 0, and flags in bytes 22 and 23")
            });
        }
        if flags & !flag::ALL != 0 || message.state & !state::ALL != 0 {
            judgement.broken(Rule::CdcUnknownFlags, || {
                format!(
                    "producer flags {flags:#04x}, connection state flags {:#04x}: expected none but {:#04x} and {:#04x}",
                    message.state, flag::ALL, state::ALL
                )
            });
        }
        let (moves, set) = (self.moves(message), |flag| flags & flag != 0);
        let had = |flag| self.flags & flag != 0;
        let blocked = set(flag::WRITE_BLOCKED) && !had(flag::WRITE_BLOCKED);
        if blocked && !moves && !message.aborts() {
            judgement.broken(Rule::CdcFlagImplausible, || {
                "write blocked in a message that announces no data: expected the flag with the data that fills the ring".to_owned()
            });
        }
        if set(flag::UPDATE_REQUESTED) && !moves && !self.sent {
            judgement.broken(Rule::CdcFlagImplausible, || {
                "a consumer cursor update was requested before any data: expected data first"
                    .to_owned()
            });
        }
        let urgent = if set(flag::URGENT_PRESENT) && !moves {
            Some(
                "urgent data present in a message that announces no data: expected the urgent byte right before the producer cursor",
            )
        } else if set(flag::URGENT_PRESENT) && !set(flag::URGENT_PENDING) {
            Some("urgent data present without urgent data pending: expected both")
        } else if had(flag::URGENT_PENDING)
            && !had(flag::URGENT_PRESENT)
            && !set(flag::URGENT_PENDING)
        {
            Some(
                "urgent data is no longer pending, but none was present: expected a message with urgent data present first",
            )
        } else {
            None
        };
        if let Some(urgent) = urgent {
            judgement.broken(Rule::CdcUrgentMismatch, || urgent.to_owned());
        }
        if self.done && !self.ended && !message.is_done() {
            judgement.broken(Rule::CdcStateCleared, || {
                "a message without the flag done writing after one with it: expected it in every later message".to_owned()
            });
        }
    }
}

fn backwards(which: &str, old: Cursor, new: Cursor, judgement: &mut Judgement<'_>) {
    judgement.broken(Rule::CdcCursorBackwards, || {
        format!("{which} cursor {new} after {old} (wraps/bytes): expected it not to run backwards")
    });
}
