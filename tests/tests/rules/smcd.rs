//! Cases for the optional rules about the bytes that SMC-D puts into a buffer.

use vfio_user_ism_tests::driver::{FIRST_INDEX, target};
use vfio_user_ism_tests::{Bytes, Driver, Message};

use super::{Case, Rig};

const DONE: u8 = 0x80;
const ABORT: u8 = 0x20;

/// One direction of a connection.
struct Sender<'a> {
    driver: &'a mut Driver,
    token: u64,
}

impl<'a> Sender<'a> {
    fn new(rig: &'a mut Rig) -> Self {
        rig.two.register();
        let token = rig.two.register_dmb(0x4000, FIRST_INDEX, 0xa);
        Self {
            driver: &mut rig.one,
            token,
        }
    }

    /// Stores data at an offset of the buffer.
    fn data(&mut self, offset: u64, len: usize) -> Message {
        self.driver
            .put(target(self.token, 0, false, offset), &vec![1; len])
    }

    fn signal(&mut self, message: &[u8]) -> Message {
        self.driver.put(target(self.token, 0, true, 0), message)
    }

    /// Sends a CDC message with these cursors, in their first round, and connection state flags.
    fn message(&mut self, producer: u32, consumer: u32, state: u8) -> Message {
        self.flags(producer, (0, consumer), 0, [0, state])
    }

    /// Sends a CDC message: producer count, consumer cursor, flags in the producer cursor, flags.
    fn flags(
        &mut self,
        producer: u32,
        consumer: (u16, u32),
        unread: u16,
        flags: [u8; 2],
    ) -> Message {
        let start = Bytes::new().raw(&[0xfe, 0, 0, 0, 0, 0, 0, 0]);
        let producer = start.be16(0).be32(producer).be16(unread);
        let cursors = producer.be16(consumer.0).be32(consumer.1);
        self.signal(&cursors.raw(&flags).raw(&[0; 8]).0)
    }
}

/// Creates senders for both directions of a connection: the first and the second function's.
fn both(rig: &mut Rig) -> (Sender<'_>, Sender<'_>) {
    rig.one.register();
    rig.two.register();
    let to_one = rig.one.register_dmb(0x4000, FIRST_INDEX, 0xb);
    let to_two = rig.two.register_dmb(0x4000, FIRST_INDEX, 0xa);
    let sender = |driver, token| Sender { driver, token };
    (sender(&mut rig.one, to_two), sender(&mut rig.two, to_one))
}

pub(crate) const CASES: &[Case] = &[
    Case::new("cdc-not-a-message", |rig| Sender::new(rig).signal(&[0; 32])),
    Case::new("cdc-data-below-ring", |rig| Sender::new(rig).data(8, 16)),
    Case::new("cdc-producer-mismatch", |rig| {
        let mut sender = Sender::new(rig);
        sender.data(32, 100).ok();
        sender.message(90, 1, 0)
    }),
    Case::new("cdc-ring-overrun", |rig| {
        let (mut one, _) = both(rig);
        // Four pages of data, except for the message, and one byte more.
        for at in [32, 0x1000, 0x2000, 0x3000] {
            one.data(at, 0x1000 - (at % 0x1000) as usize).ok();
        }
        let whole = |wrap: u16, count: u32| {
            let start = Bytes::new().raw(&[0xfe, 0, 0, 0, 0, 0, 0, 0]);
            start.be16(wrap).be32(count).raw(&[0; 18]).0
        };
        one.signal(&whole(1, 0)).ok();
        one.data(32, 1).ok();
        one.signal(&whole(1, 1))
    }),
    Case::new("cdc-consumer-outside", |rig| {
        let (mut one, _) = both(rig);
        one.message(0, 0x4000 - 32, 0)
    }),
    Case::new("cdc-consumer-ahead", |rig| {
        let (mut one, mut two) = both(rig);
        two.data(32, 100).ok();
        two.message(100, 0, 0).ok();
        one.message(0, 100, 0).ok();
        one.message(0, 101, 0)
    }),
    Case::new("cdc-consumer-jump", |rig| {
        let mut sender = Sender::new(rig);
        sender.flags(0, (2, 0), 0, [0, 0])
    }),
    Case::new("cdc-flags-in-producer", |rig| {
        Sender::new(rig).flags(0, (0, 0), 0x8000, [0, 0])
    }),
    Case::new("cdc-unknown-flags", |rig| {
        Sender::new(rig).flags(0, (0, 0), 0, [8, 0])
    }),
    Case::new("cdc-flag-implausible", |rig| {
        Sender::new(rig).flags(0, (0, 0), 0, [0x80, 0])
    }),
    Case::new("cdc-urgent-mismatch", |rig| {
        Sender::new(rig).flags(0, (0, 0), 0, [0x60, 0])
    }),
    Case::new("cdc-state-cleared", |rig| {
        let mut sender = Sender::new(rig);
        sender.data(32, 100).ok();
        sender.message(100, 0, DONE).ok();
        sender.message(100, 0, 0)
    }),
    Case::new("cdc-data-after-done", |rig| {
        let mut sender = Sender::new(rig);
        sender.message(0, 0, DONE).ok();
        sender.data(200, 16)
    }),
    Case::new("cdc-cursor-backwards", |rig| {
        let mut sender = Sender::new(rig);
        sender.data(32, 100).ok();
        sender.message(100, 50, 0).ok();
        sender.message(100, 20, 0)
    }),
    Case::new("cdc-data-after-abort", |rig| {
        let mut sender = Sender::new(rig);
        sender.message(0, 0, ABORT).ok();
        sender.data(200, 16)
    }),
];

#[test]
fn a_well_behaved_connection_breaks_no_rule() {
    let case = Case::new("cdc-not-a-message", |rig| {
        let mut sender = Sender::new(rig);
        sender.data(32, 100).ok();
        sender.message(100, 0, 0).ok();
        sender.data(132, 50).ok();
        sender.message(150, 30, 0).ok();
        sender.message(150, 30, 0x40)
    });
    let (reply, stopped) = case.run("reject");
    reply.ok();
    assert!(stopped.rules().is_empty(), "{:?}", stopped.rules());
}
