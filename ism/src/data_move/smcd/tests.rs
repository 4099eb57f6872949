use super::*;
use crate::FunctionId;
use crate::judged::broken;

/// A sender of SMC-D data into a ring of 16352 bytes.
struct Sender {
    order: SmcdOrder,
    dmb: Dmb,
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
            broken: Vec::new(),
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
            connection = Some(self.order.judge(&self.dmb, piece, data, judgement));
        }));
        self.order.note(TOKEN, connection.unwrap());
        self
    }

    /// Stores `ring` bytes of the ring.
    fn data(&mut self, ring: std::ops::Range<u64>) -> &mut Self {
        let len = usize::try_from(ring.end - ring.start).unwrap();
        self.store(32 + ring.start, &vec![7; len], false)
    }

    fn cdc(&mut self, producer: (u16, u32), consumer: (u16, u32), state: u8) -> &mut Self {
        let message = cdc(producer, consumer, state);
        self.store(0, &message, true)
    }

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
        .cdc((2, 400), (3, 1), 0)
        .cdc((2, 400), (3, 1), 0x80)
        .cdc((2, 400), (3, 1), 0xc0)
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
    sender.order.note(
        TOKEN,
        Connection {
            producer: Cursor {
                wrap: 0xffff,
                count: 100,
            },
            consumer: Cursor {
                wrap: 0xffff,
                count: 5,
            },
            ..Connection::default()
        },
    );
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
    let mut flags = good;
    flags[22] = 0xff;
    Sender::new().store(0, &flags, true).breaks(&[]);
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
    // Stored before the message before: not announced by it, and not stored since.
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
    sender.data(0..100).cdc((0, 100), (2, 7), 0).breaks(&[]);
    sender
        .cdc((0, 99), (2, 7), 0)
        .breaks(&["cdc-cursor-backwards"]);
    let mut sender = Sender::new();
    sender.data(0..100).cdc((0, 100), (2, 7), 0);
    sender
        .cdc((0, 100), (2, 6), 0)
        .breaks(&["cdc-cursor-backwards"]);
    let mut sender = Sender::new();
    sender.data(0..100).cdc((0, 100), (2, 7), 0);
    sender
        .cdc((0, 100), (1, 9000), 0)
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
        .data(100..200)
        .breaks(&[]);
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
fn the_group_is_off_unless_a_rule_of_it_is_on() {
    let mut rules = RuleSet::default();
    assert!(!enabled(&rules));
    rules.set(Rule::CdcCursorBackwards, Severity::Note);
    assert!(enabled(&rules));
}
