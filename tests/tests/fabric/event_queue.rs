//! Tests of SIGNAL_IEQ and the event queue: entries, index and its wrap, bits, interrupts.

use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, IEQ, IOVA, SBA, code, dmb};
use vfio_user_ism_tests::{Bytes, Daemon, Driver, Via};

const TYPE_DEVICE: u64 = 1;
const TYPE_SOFTWARE: u64 = 2;

/// Creates two probed drivers.
fn pair(daemon: &Daemon) -> (Driver, Driver) {
    let probe = |name| Driver::probe(&daemon.socket(name), Via::Region);
    (probe("ism0"), probe("ism1"))
}

/// Sends SIGNAL_IEQ to a GID.
fn signal(driver: &mut Driver, gid: u64, trigger: u32, event: u32, info: u64) -> bool {
    let payload = Bytes::new().be64(gid).be32(trigger).be32(event).be64(info);
    driver.run(code::SIGNAL_IEQ, payload).code == 0
}

/// Returns type, code, token and info of an entry.
fn entry(driver: &Driver, slot: u64) -> (u64, u64, u64, u64) {
    let at = IEQ + 32 + 32 * slot;
    let ram = &driver.ram;
    (
        ram.be(at, 4),
        ram.be(at + 4, 4),
        ram.be(at + 8, 8),
        ram.be(at + 24, 8),
    )
}

fn index(driver: &Driver) -> u64 {
    driver.ram.be(IEQ, 8)
}

#[test]
fn an_event_arrives_with_the_senders_gid() {
    let daemon = Daemon::with_profile("pair");
    let (mut sender, mut receiver) = pair(&daemon);
    let (from, to) = (sender.gid(), receiver.gid());
    assert!(signal(&mut sender, to, 1, 0x83, 0x1122_3344_5566_7788));
    assert_eq!(receiver.irq.wait(), 1);
    assert_eq!(
        entry(&receiver, 0),
        (TYPE_SOFTWARE, 0x83, from, 0x1122_3344_5566_7788)
    );
    assert_eq!(index(&receiver), 1);
    assert_eq!(receiver.ram.read(SBA, 1), [0xc0], "summary and event");
    assert_eq!(sender.irq.take(), 0);
}

#[test]
fn the_index_counts_to_15_and_wraps_to_1() {
    let daemon = Daemon::with_profile("pair");
    let (mut sender, mut receiver) = pair(&daemon);
    let to = receiver.gid();
    assert_eq!(index(&receiver), 0);
    for n in 0..40 {
        assert!(signal(&mut sender, to, 1, 0x80, n));
        assert_eq!(index(&receiver), n % 15 + 1);
        assert_eq!(entry(&receiver, n % 15).3, n);
    }
    assert_eq!(receiver.irq.take(), 40);
    // Nothing is written after the 15 entries.
    assert_eq!(receiver.ram.read(IEQ + 512, 512), [0; 512]);
}

#[test]
fn without_a_trigger_the_event_waits_for_the_next_interrupt() {
    let daemon = Daemon::with_profile("pair");
    let (mut sender, mut receiver) = pair(&daemon);
    let to = receiver.gid();
    assert!(signal(&mut sender, to, 0, 0x80, 7));
    assert_eq!(
        (index(&receiver), receiver.ram.read(SBA, 1)[0] & 0x40),
        (1, 0x40)
    );
    assert_eq!(receiver.irq.take(), 0);
}

#[test]
fn a_receiver_that_cannot_be_told_fails_the_command() {
    let daemon = Daemon::with_profile("pair");
    let mut sender = Driver::probe(&daemon.socket("ism0"), Via::Bar);
    let mut receiver = Driver::attach(&daemon.socket("ism1"), Via::Bar);
    let to = receiver.gid();
    assert!(!signal(&mut sender, to, 1, 0x80, 0), "no queue");
    receiver.register();
    assert!(signal(&mut sender, to, 1, 0x80, 0));
    receiver.run(code::UNREG_IEQ, []).ok();
    assert!(!signal(&mut sender, to, 1, 0x80, 0), "no queue any more");
    assert!(!signal(&mut sender, 0x1234, 1, 0x80, 0), "no such function");
}

#[test]
fn a_queue_that_is_registered_again_starts_anew() {
    let daemon = Daemon::with_profile("pair");
    let (mut sender, mut receiver) = pair(&daemon);
    let to = receiver.gid();
    for n in 0..3 {
        assert!(signal(&mut sender, to, 1, 0x80, n));
    }
    receiver.run(code::UNREG_IEQ, []).ok();
    receiver
        .run(code::REG_IEQ, Bytes::new().be64(IOVA + IEQ).be64(512))
        .ok();
    assert!(signal(&mut sender, to, 1, 0x80, 9));
    assert_eq!((index(&receiver), entry(&receiver, 0).3), (1, 9));
}

#[test]
fn a_peer_that_goes_away_is_announced() {
    let daemon = Daemon::with_profile("pair");
    let (mut stays, mut goes) = pair(&daemon);
    let (own, gone) = (stays.gid(), goes.gid());
    // They become peers when one admits the other to a buffer.
    goes.run(code::REG_DMB, dmb(IOVA + DMB, 4096, FIRST_INDEX, own))
        .ok();
    drop(goes);
    stays.irq.wait();
    let (kind, _, token, _) = entry(&stays, 0);
    assert_eq!((kind, token), (TYPE_DEVICE, gone));
}
