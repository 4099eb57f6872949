//! The opt-in rules about what SMC-D puts into a buffer.

use vfio_user_ism_tests::driver::{FIRST_INDEX, target};
use vfio_user_ism_tests::{Bytes, Driver, Message};

use super::{Case, Rig};

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

    /// Data at an offset of the buffer.
    fn data(&mut self, offset: u64, len: usize) -> Message {
        self.driver
            .put(target(self.token, 0, false, offset), &vec![1; len])
    }

    fn signal(&mut self, message: &[u8]) -> Message {
        self.driver.put(target(self.token, 0, true, 0), message)
    }

    /// A CDC message with these cursors, in their first round, and connection state flags.
    fn message(&mut self, producer: u32, consumer: u32, state: u8) -> Message {
        let start = Bytes::new().raw(&[0xfe, 0, 0, 0, 0, 0, 0, 0]);
        let cursors = start.be16(0).be32(producer).be16(0).be16(0).be32(consumer);
        self.signal(&cursors.raw(&[0, state]).raw(&[0; 8]).0)
    }
}

pub const CASES: &[Case] = &[
    Case::new("cdc-not-a-message", |rig| Sender::new(rig).signal(&[0; 32])),
    Case::new("cdc-data-below-ring", |rig| Sender::new(rig).data(8, 16)),
    Case::new("cdc-producer-mismatch", |rig| {
        let mut sender = Sender::new(rig);
        sender.data(32, 100).ok();
        sender.message(90, 1, 0)
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
