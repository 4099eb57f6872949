//! Tests of data moves between two functions of one fabric: memory, bits, interrupt.

use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, SBA, target};
use vfio_user_ism_tests::errno::EIO;
use vfio_user_ism_tests::{Daemon, Driver, Via};

const DMB_LEN: u32 = 0x10000;

/// A sender, a receiver, and the token of the receiver's buffer.
struct Pair {
    daemon: Daemon,
    sender: Driver,
    receiver: Driver,
    token: u64,
}

impl Pair {
    fn new(via: Via, index: u32) -> Self {
        let daemon = Daemon::with_profile("pair");
        let mut sender = Driver::probe(&daemon.socket("ism0"), via);
        let mut receiver = Driver::probe(&daemon.socket("ism1"), via);
        let writer = sender.gid();
        let token = receiver.register_dmb(DMB_LEN, index, writer);
        Self {
            daemon,
            sender,
            receiver,
            token,
        }
    }

    /// Returns a byte of the receiver's SBA.
    fn sba(&self, at: u64) -> u8 {
        self.receiver.ram.read(SBA + at, 1)[0]
    }
}

#[test]
fn a_move_arrives_in_the_other_functions_memory() {
    for via in [Via::Bar, Via::Region] {
        let mut pair = Pair::new(via, FIRST_INDEX);
        let data: Vec<u8> = (0..4096_u32).map(|n| (n * 7) as u8).collect();
        for (offset, len) in [(0, 1), (1, 7), (100, 4096 - 100), (4096, 4096), (0xffff, 1)] {
            pair.sender
                .put(target(pair.token, 0, false, offset), &data[..len])
                .ok();
            assert_eq!(
                pair.receiver.ram.read(DMB + offset, len),
                data[..len],
                "{offset:#x}"
            );
        }
        assert_eq!(
            pair.receiver.ram.read(SBA, 4096),
            [0; 4096],
            "no bits without a signal"
        );
        assert_eq!(pair.receiver.irq.take(), 0);
        assert_eq!(pair.sender.ram.read(DMB, 4096), [0; 4096]);
    }
}

#[test]
fn a_signal_sets_mask_bit_and_summary_and_interrupts_the_owner() {
    for (index, byte, bit) in [
        (32, 8, 0x80),
        (39, 8, 0x01),
        (40, 9, 0x80),
        (1919, 243, 0x01),
    ] {
        let mut pair = Pair::new(Via::Region, index);
        pair.sender
            .put(target(pair.token, 5, true, 0), &[0xfe; 32])
            .ok();
        assert_eq!(pair.receiver.irq.wait(), 1);
        assert_eq!(pair.sba(0), 0x80);
        assert_eq!(pair.sba(byte), bit, "index {index}");
        let mask = pair.receiver.ram.be(256 + 2 * u64::from(index), 2);
        assert_eq!(mask.count_ones(), 1, "element 5 is one bit");
        assert_eq!(pair.sender.irq.take(), 0);
        let page = pair.receiver.ram.read(SBA, 4096);
        assert_eq!(
            page.iter().filter(|byte| **byte != 0).count(),
            3,
            "and nothing else"
        );
    }
}

#[test]
fn each_element_has_its_own_bit() {
    let mut pair = Pair::new(Via::Bar, FIRST_INDEX);
    let mut seen = 0;
    for element in 0..16 {
        pair.sender
            .put(target(pair.token, element, true, 0), &[0; 32])
            .ok();
        let mask = pair.receiver.ram.be(320, 2);
        assert_eq!((mask & !seen).count_ones(), 1, "element {element}");
        seen = mask;
    }
    assert_eq!(seen, 0xffff);
}

#[test]
fn set_bits_of_others_survive() {
    let mut pair = Pair::new(Via::Bar, FIRST_INDEX);
    pair.receiver.ram.write(SBA, &[0x41]);
    pair.receiver.ram.write(SBA + 8, &[0x7f, 0xff]);
    pair.receiver.ram.write(SBA + 320, &[0x00, 0x01]);
    pair.sender
        .put(target(pair.token, 0, true, 0), &[0; 32])
        .ok();
    assert_eq!((pair.sba(0), pair.sba(8), pair.sba(9)), (0xc1, 0xff, 0xff));
    assert_eq!(pair.receiver.ram.be(320, 2), 0x8001);
}

#[test]
fn what_cannot_be_stored_changes_nothing() {
    let mut pair = Pair::new(Via::Region, FIRST_INDEX);
    let at = |offset| target(pair.token, 0, true, offset);
    for (target, len) in [
        (at(u64::from(DMB_LEN)), 1),
        (at(u64::from(DMB_LEN) - 8), 9),
        (at(0x7f_ffff), 1),
        (at(0x7fff_0000_0000), 8),
        (at(0) & 0xffff_ffff, 8),
    ] {
        pair.sender.put(target, &vec![1; len]).refused(EIO);
    }
    assert_eq!(
        pair.receiver.ram.read(DMB, DMB_LEN as usize),
        vec![0; DMB_LEN as usize]
    );
    assert_eq!(pair.receiver.ram.read(SBA, 4096), [0; 4096]);
    assert_eq!(pair.receiver.irq.take(), 0);
}

#[test]
fn only_the_admitted_function_writes() {
    let mut pair = Pair::new(Via::Bar, FIRST_INDEX);
    pair.receiver
        .put(target(pair.token, 0, false, 0), &[1; 8])
        .refused(EIO);
    pair.sender
        .put(target(pair.token, 0, false, 0), &[2; 8])
        .ok();
    assert_eq!(pair.receiver.ram.read(DMB, 8), [2; 8]);
    drop((pair.sender, pair.receiver));
    let stopped = pair.daemon.stop();
    assert_eq!(stopped.rules(), ["not-permitted-by-rgid"]);
}

#[test]
fn a_move_to_a_guest_that_has_gone_fails() {
    let mut pair = Pair::new(Via::Bar, FIRST_INDEX);
    drop(pair.receiver);
    vfio_user_ism_tests::patience::eventually("the receiver is gone", || {
        let events = pair.daemon.events();
        events
            .iter()
            .any(|event| event["event"] == "disconnected")
            .then_some(())
    });
    pair.sender
        .put(target(pair.token, 0, true, 0), &[1; 8])
        .refused(EIO);
    pair.sender.gid();
}

#[test]
fn each_move_is_an_event_with_its_place_and_signal() {
    let mut pair = Pair::new(Via::Region, FIRST_INDEX);
    pair.sender
        .put(target(pair.token, 0, false, 64), &[1; 100])
        .ok();
    pair.sender
        .put(target(pair.token, 2, true, 0), &[1; 32])
        .ok();
    drop((pair.sender, pair.receiver));
    let stopped = pair.daemon.stop();
    let moves: Vec<_> = stopped.events_named("data-move").collect();
    assert_eq!(moves[0]["function"], "ism0");
    assert_eq!(
        (
            &moves[0]["owner"],
            &moves[0]["dmb_offset"],
            &moves[0]["length"]
        ),
        (&"ism1".into(), &64.into(), &100.into())
    );
    assert_eq!(
        (
            &moves[1]["signal"],
            &moves[1]["signalled"],
            &moves[1]["element"]
        ),
        (&true.into(), &true.into(), &2.into())
    );
    let report = stopped.function("ism0");
    assert_eq!(
        (&report["moves"], &report["signals"]),
        (&2.into(), &1.into())
    );
    let interrupt = stopped.events_named("interrupt").next().unwrap();
    assert_eq!(
        (&interrupt["function"], &interrupt["vector"]),
        (&"ism1".into(), &0.into())
    );
    assert!(stopped.rules().is_empty());
}
