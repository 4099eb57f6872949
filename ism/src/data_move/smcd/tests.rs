use super::connection::Cursors;
use super::message::Cursor;
use super::*;
use crate::FunctionId;
use crate::judged::broken;

/// A sender of SMC-D data into a ring of 16352 bytes.
struct Sender {
    order: SmcdOrder,
    dmb: Dmb,
    /// The DMBs of the other direction.
    others: Vec<Other>,
    broken: Vec<&'static str>,
}

const TOKEN: u64 = 9 << 32;
const RING: u64 = 16384 - 32;

impl Sender {
    fn new() -> Self {
        Self {
            order: SmcdOrder::default(),
            dmb: Dmb {
                owner: FunctionId(0),
                rgid: 1,
                iova: 0,
                len: 16384,
                index: 32,
            },
            others: vec![Other {
                ring: 1 << 20,
                told: None,
            }],
            broken: Vec::new(),
        }
    }

    /// Creates DMBs of this size for the other direction, with the producer and consumer cursors that their
    /// writer has announced.
    fn with_others(told: &[[(u16, u32); 2]]) -> Self {
        let cursor = |(wrap, count)| Cursor { wrap, count };
        let other = |[producer, consumer]: &[_; 2]| Other {
            ring: RING,
            told: Some(Cursors {
                producer: cursor(*producer),
                consumer: cursor(*consumer),
            }),
        };
        Self {
            others: told.iter().map(other).collect(),
            ..Self::new()
        }
    }

    fn store(&mut self, start: u64, data: &[u8], signal: bool) -> &mut Self {
        let piece = Piece {
            token: TOKEN,
            start,
            end: start + data.len() as u64,
            signal,
        };
        let mut connection = None;
        self.broken.extend(broken(|judgement| {
            let others = || self.others.clone();
            connection = Some(self.order.judge(&self.dmb, piece, data, others, judgement));
        }));
        self.order.note(TOKEN, connection.unwrap());
        self
    }

    /// Stores the range `ring` of the ring.
    fn data(&mut self, ring: std::ops::Range<u64>) -> &mut Self {
        let len = usize::try_from(ring.end - ring.start).unwrap();
        self.store(32 + ring.start, &vec![7; len], false)
    }

    fn cdc(&mut self, producer: (u16, u32), consumer: (u16, u32), state: u8) -> &mut Self {
        let message = cdc(producer, consumer, state);
        self.store(0, &message, true)
    }

    /// Sends a message with producer flags and further changes.
    fn flags(
        &mut self,
        producer: (u16, u32),
        flags: u8,
        state: u8,
        change: impl FnOnce(&mut [u8; 32]),
    ) -> &mut Self {
        let mut message = cdc(producer, (0, 0), state);
        message[22] = flags;
        change(&mut message);
        self.store(0, &message, true)
    }

    #[track_caller]
    fn breaks(&mut self, expected: &[&str]) {
        assert_eq!(std::mem::take(&mut self.broken), expected);
    }
}

fn cdc(producer: (u16, u32), consumer: (u16, u32), state: u8) -> [u8; 32] {
    let mut message = [0; 32];
    message[0] = 0xfe;
    message[8..10].copy_from_slice(&producer.0.to_be_bytes());
    message[10..14].copy_from_slice(&producer.1.to_be_bytes());
    message[16..18].copy_from_slice(&consumer.0.to_be_bytes());
    message[18..22].copy_from_slice(&consumer.1.to_be_bytes());
    message[23] = state;
    message
}

#[test]
fn a_connection_with_a_wrap_breaks_nothing() {
    Sender::new()
        .cdc((0, 0), (0, 0), 0)
        .data(0..4064)
        .data(4064..10000)
        .cdc((0, 10000), (0, 0), 0)
        .cdc((0, 10000), (0, 500), 0)
        .data(10000..RING)
        .data(0..400)
        .cdc((1, 400), (0, 500), 0)
        .data(400..RING)
        .data(0..400)
        .cdc((2, 400), (1, 1), 0)
        .cdc((2, 400), (2, 1), 0x80)
        .cdc((2, 400), (2, 1), 0xc0)
        .breaks(&[]);
}

#[test]
fn a_full_ring_ends_at_the_next_wrap() {
    Sender::new()
        .data(0..RING)
        .cdc((1, 0), (0, 0), 0)
        .breaks(&[]);
    let ring = u32::try_from(RING).unwrap();
    Sender::new()
        .data(0..RING)
        .cdc((0, ring), (0, 0), 0)
        .breaks(&["cdc-producer-mismatch"]);
}

#[test]
fn wraps_are_counted_modulo_two_to_the_16() {
    let mut sender = Sender::new();
    let connection = Connection::at((0xffff, 100), (0xffff, 5));
    sender.order.note(TOKEN, connection);
    sender
        .data(100..RING)
        .data(0..50)
        .cdc((0, 50), (0, 4), 0)
        .breaks(&[]);
}

#[test]
fn signals_that_are_no_message_are_told() {
    let good = cdc((0, 0), (0, 0), 0);
    let told = &["cdc-not-a-message"];
    Sender::new().store(0, &good[..31], true).breaks(told);
    Sender::new().store(32, &good, true).breaks(told);
    for at in [0, 1, 7, 24, 31] {
        let mut bad = good;
        bad[at] ^= 1;
        Sender::new().store(0, &bad, true).breaks(told);
    }
}

#[test]
fn data_belongs_into_the_ring() {
    Sender::new()
        .store(31, &[1, 2], false)
        .breaks(&["cdc-data-below-ring"]);
    Sender::new().store(32, &[1, 2], false).breaks(&[]);
}

#[test]
fn the_producer_moves_by_the_bytes_stored() {
    let told = &["cdc-producer-mismatch"];
    Sender::new()
        .data(0..99)
        .cdc((0, 100), (0, 0), 0)
        .breaks(told);
    Sender::new()
        .data(0..101)
        .cdc((0, 100), (0, 0), 0)
        .breaks(told);
    Sender::new()
        .data(1..101)
        .cdc((0, 100), (0, 0), 0)
        .breaks(told);
    Sender::new().cdc((0, 1), (0, 0), 0).breaks(told);
    Sender::new()
        .data(0..RING)
        .cdc((1, 1), (0, 0), 0)
        .breaks(told);
    Sender::new()
        .data(0..RING)
        .cdc((2, 0), (0, 0), 0)
        .breaks(told);
    // This was stored before the previous message: that message did not announce it, and nothing was stored
    // since.
    Sender::new()
        .data(0..200)
        .cdc((0, 100), (0, 0), 0)
        .cdc((0, 200), (0, 0), 0)
        .breaks(&["cdc-producer-mismatch", "cdc-producer-mismatch"]);
}

#[test]
fn an_abort_may_leave_data_unannounced() {
    Sender::new()
        .data(0..50)
        .cdc((0, 0), (0, 0), 0x20)
        .breaks(&[]);
}

#[test]
fn cursors_do_not_run_backwards() {
    let mut sender = Sender::new();
    sender.data(0..100).cdc((0, 100), (1, 0), 0).breaks(&[]);
    sender
        .cdc((0, 99), (1, 0), 0)
        .breaks(&["cdc-cursor-backwards"]);
    let mut sender = Sender::new();
    sender.data(0..100).cdc((0, 100), (1, 0), 0);
    sender
        .cdc((0, 100), (0, 9000), 0)
        .breaks(&["cdc-cursor-backwards"]);
    let mut sender = Sender::new();
    sender.data(0..100).cdc((0, 100), (1, 0), 0);
    sender
        .cdc((0, 100), (0, 1), 0)
        .breaks(&["cdc-cursor-backwards"]);
}

#[test]
fn nothing_is_stored_after_the_end() {
    for state in [0x40, 0x20, 0xe0] {
        let mut sender = Sender::new();
        sender
            .data(0..100)
            .cdc((0, 100), (0, 0), state)
            .data(100..200);
        sender.breaks(&["cdc-data-after-abort"]);
    }
    let mut sender = Sender::new();
    sender
        .data(0..100)
        .cdc((0, 100), (0, 0), 0x80)
        .data(100..200);
    sender.breaks(&["cdc-data-after-done"]);
    let mut sender = Sender::new();
    sender.data(0..100).cdc((0, 100), (0, 0), 0xc0);
    // Data at the start of the ring begins a new connection.
    sender.data(0..100).breaks(&[]);
}

#[test]
fn a_recycled_dmb_starts_again_from_zero() {
    let mut sender = Sender::new();
    sender.data(0..100).cdc((0, 100), (0, 50), 0xc0);
    sender.data(0..300).cdc((0, 300), (0, 0), 0).breaks(&[]);
    let mut sender = Sender::new();
    sender.data(0..100).cdc((0, 100), (0, 50), 0xc0);
    sender
        .cdc((0, 0), (0, 9), 0)
        .data(0..300)
        .cdc((0, 300), (0, 9), 0)
        .breaks(&[]);
}

#[test]
fn a_direction_without_data_starts_again_only_after_its_end() {
    let mut sender = Sender::new();
    sender
        .cdc((0, 0), (0, 50), 0xc0)
        .cdc((0, 0), (0, 9), 0)
        .breaks(&[]);
    let mut sender = Sender::new();
    sender.cdc((0, 0), (0, 50), 0).cdc((0, 0), (0, 9), 0);
    sender.breaks(&["cdc-cursor-backwards"]);
}

#[test]
fn it_may_start_again_without_having_ended() {
    let mut sender = Sender::new();
    sender.data(0..100).cdc((0, 100), (0, 50), 0);
    sender.cdc((0, 0), (0, 0), 0).breaks(&[]);
    for second in [40_u32, 300] {
        let mut sender = Sender::new();
        sender.data(0..100).cdc((0, 100), (0, 50), 0);
        sender
            .data(0..u64::from(second))
            .cdc((0, second), (0, 0), 0)
            .breaks(&[]);
    }
}

#[test]
fn a_sender_that_is_done_stays_done() {
    let mut sender = Sender::new();
    sender.data(0..100).cdc((0, 100), (0, 0), 0x80);
    sender
        .cdc((0, 100), (0, 5), 0x80)
        .cdc((0, 100), (0, 5), 0xc0)
        .breaks(&[]);
    let mut sender = Sender::new();
    sender.data(0..100).cdc((0, 100), (0, 0), 0x80);
    sender
        .cdc((0, 100), (0, 5), 0)
        .breaks(&["cdc-state-cleared"]);
    // A new connection starts in the same DMB, once after the end of the old one and once without it.
    let mut sender = Sender::new();
    sender.data(0..100).cdc((0, 100), (0, 0), 0xc0);
    sender.cdc((0, 0), (0, 5), 0).breaks(&[]);
    let mut sender = Sender::new();
    sender.data(0..100).cdc((0, 100), (0, 0), 0x80);
    sender.cdc((0, 0), (0, 5), 0).breaks(&[]);
}

#[test]
fn the_consumer_advances_by_one_round_at_most() {
    let told = &["cdc-consumer-jump"];
    let after = |first: (u16, u32), second: (u16, u32)| {
        let mut sender = Sender::new();
        sender.order.note(TOKEN, Connection::at((9, 0), first));
        sender.cdc((9, 0), second, 0);
        sender
    };
    after((0, 0), (1, 0)).breaks(&[]);
    after((0, 0), (1, 1)).breaks(told);
    after((0, 100), (1, 100)).breaks(&[]);
    after((0, 100), (1, 101)).breaks(told);
    after((0, 100), (2, 0)).breaks(told);
    after((0xffff, 100), (0, 100)).breaks(&[]);
    after((0xffff, 100), (1, 0)).breaks(told);
}

#[test]
fn the_consumer_cursor_lies_in_a_ring_of_its_sender() {
    let ring = u32::try_from(RING).unwrap();
    let far = &[[(9, 0), (0, 0)]];
    Sender::with_others(far)
        .cdc((0, 0), (0, ring - 1), 0)
        .breaks(&[]);
    Sender::with_others(far)
        .cdc((0, 0), (0, ring), 0)
        .breaks(&["cdc-consumer-outside"]);
    // Without a DMB in the other direction, nothing can be consumed.
    let mut sender = Sender::with_others(&[]);
    sender.cdc((0, 0), (0, 0), 0).breaks(&[]);
    sender
        .cdc((0, 0), (0, 1), 0)
        .breaks(&["cdc-consumer-outside"]);
}

#[test]
fn the_consumer_follows_a_producer() {
    let told = &["cdc-consumer-ahead"];
    let one = &[[(0, 100), (0, 0)]];
    Sender::with_others(one)
        .cdc((0, 0), (0, 100), 0)
        .breaks(&[]);
    Sender::with_others(one)
        .cdc((0, 0), (0, 101), 0)
        .breaks(told);
    Sender::with_others(one).cdc((0, 0), (1, 0), 0).breaks(told);
    // The message may belong to another connection of the two functions.
    let two = &[[(0, 100), (0, 0)], [(0, 500), (0, 0)]];
    Sender::with_others(two)
        .cdc((0, 0), (0, 500), 0)
        .breaks(&[]);
    Sender::with_others(two)
        .cdc((0, 0), (0, 501), 0)
        .breaks(told);
}

#[test]
fn the_producer_is_one_ring_ahead_of_the_consumer_at_most() {
    let sent = |consumer: (u16, u32), second: u64| {
        let mut sender = Sender::with_others(&[[(0, 0), consumer]]);
        let count = u32::try_from(second).unwrap();
        sender.data(0..RING).cdc((1, 0), (0, 0), 0).breaks(&[]);
        sender.data(0..second).cdc((1, count), (0, 0), 0);
        sender
    };
    let told = &["cdc-ring-overrun"];
    sent((0, 0), 1).breaks(told);
    sent((0, 100), 100).breaks(&[]);
    sent((0, 100), 101).breaks(told);
    sent((1, 0), 101).breaks(&[]);
    // A consumer cursor ahead of the producer belongs to another connection too.
    sent((1, 102), 101).breaks(told);
    // A message without data is not reported again.
    sent((0, 0), 1).cdc((1, 1), (0, 0), 0).breaks(told);
    // If nobody watches the receiver's messages, the rule cannot judge.
    let mut sender = Sender::new();
    sender.data(0..RING).cdc((1, 0), (0, 0), 0);
    sender.data(0..1).cdc((1, 1), (0, 0), 0).breaks(&[]);
}

#[test]
fn flags_stand_in_the_consumer_cursor_and_are_known() {
    for at in [14, 15] {
        let mut sender = Sender::new();
        sender.flags((0, 0), 0, 0, |message| message[at] = 0x80);
        sender.breaks(&["cdc-flags-in-producer"]);
    }
    for (at, flag, known) in [
        (22, 0x08, false),
        (22, 0x04, false),
        (22, 0x01, false),
        (23, 0x10, false),
        (23, 0x01, false),
        (23, 0xe0, true),
        (22, 0x40, true),
    ] {
        let mut sender = Sender::new();
        sender.flags((0, 0), 0, 0, |message| message[at] = flag);
        let told: &[&str] = if known { &[] } else { &["cdc-unknown-flags"] };
        sender.breaks(told);
    }
}

#[test]
fn blocked_and_update_requests_come_with_data() {
    let told = &["cdc-flag-implausible"];
    let none = |_: &mut [u8; 32]| {};
    let mut sender = Sender::new();
    sender.data(0..100).flags((0, 100), 0x80, 0, none);
    // The flag may stay set.
    sender.flags((0, 100), 0x80, 0, none).breaks(&[]);
    sender.flags((0, 100), 0, 0, none);
    sender.flags((0, 100), 0x80, 0, none).breaks(told);
    let mut sender = Sender::new();
    sender
        .data(0..50)
        .flags((0, 0), 0x80, 0x20, none)
        .breaks(&[]);
    let mut sender = Sender::new();
    sender.flags((0, 0), 0x10, 0, none).breaks(told);
    let mut sender = Sender::new();
    sender.data(0..9).flags((0, 9), 0x10, 0, none);
    sender.flags((0, 9), 0x10, 0, none).breaks(&[]);
}

#[test]
fn the_urgent_byte_is_the_last_one_sent() {
    let told = &["cdc-urgent-mismatch"];
    let none = |_: &mut [u8; 32]| {};
    let mut sender = Sender::new();
    sender.flags((0, 0), 0x40, 0, none);
    sender.data(0..1).flags((0, 1), 0x60, 0, none);
    sender.flags((0, 1), 0, 0, none).breaks(&[]);
    // Three errors: urgent data present without data, present without pending, and pending cleared though
    // none was present.
    Sender::new().flags((0, 0), 0x60, 0, none).breaks(told);
    let mut sender = Sender::new();
    sender.data(0..1).flags((0, 1), 0x20, 0, none).breaks(told);
    let mut sender = Sender::new();
    sender.data(0..1).flags((0, 1), 0x40, 0, none);
    sender.flags((0, 1), 0, 0, none).breaks(told);
}

#[test]
fn the_group_is_off_unless_a_rule_of_it_is_on() {
    let mut rules = RuleSet::default();
    assert!(SmcdOrder::watching(&rules).is_none());
    rules.set(Rule::CdcCursorBackwards, Severity::Note);
    assert!(SmcdOrder::watching(&rules).is_some());
}
