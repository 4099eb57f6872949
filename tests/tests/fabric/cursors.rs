//! Tests what a guest sees of its memory while the server writes there for another guest: no half doubleword,
//! no undone bit.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, IOVA, SBA, code, dmb, target};
use vfio_user_ism_tests::patience::eventually;
use vfio_user_ism_tests::threads::{SetAtEnd, alone};
use vfio_user_ism_tests::{Daemon, Driver, Via, View};

/// True if all bytes of a doubleword are equal.
fn is_whole(word: u64) -> bool {
    word == word.rotate_left(8)
}

/// Stores `[n; len]` at `offset` of a buffer repeatedly, while its owner checks the aligned doublewords
/// there.
#[track_caller]
fn torn(via: Via, sealed: bool, offset: u64, len: usize) {
    const STORES: u32 = 5_000;
    let _alone = alone();
    let daemon = Daemon::with_profile("pair");
    let mut sender = Driver::probe(&daemon.socket("ism0"), via);
    let mut receiver = Driver::probe(&daemon.socket("ism1"), Via::Bar);
    if !sealed {
        receiver.unseal();
    }
    let token = receiver.register_dmb(0x4000, FIRST_INDEX, sender.gid());
    let memory = View::of(&receiver.ram);
    let first = offset.next_multiple_of(8);
    let words: Vec<_> = (first..=offset + len as u64 - 8)
        .step_by(8)
        .map(|at| memory.word(DMB + at))
        .collect();
    let done = AtomicBool::new(false);
    let (changes, halves) = std::thread::scope(|threads| {
        let guest = threads.spawn(|| {
            let (mut changes, mut halves) = (0, 0);
            let mut last = vec![0; words.len()];
            while !done.load(SeqCst) {
                for (word, last) in words.iter().zip(&mut last) {
                    let seen = word.load(SeqCst);
                    changes += u32::from(seen != *last);
                    halves += u32::from(!is_whole(seen));
                    *last = seen;
                }
            }
            (changes, halves)
        });
        let stop = SetAtEnd(&done);
        let at = target(token, 0, true, offset);
        for n in 0..STORES {
            sender.post(at, &vec![n as u8; len]);
        }
        sender.put(at, &vec![0xff; len]).ok();
        drop(stop);
        guest.join().unwrap()
    });
    assert_eq!(halves, 0, "of {changes} changes seen; sealed: {sealed}");
    assert!(changes > 0, "the guest has looked while something changed");
    assert!(words.iter().all(|word| word.load(SeqCst) == u64::MAX));
}

#[test]
fn the_cursors_of_a_message_are_never_seen_in_halves() {
    for via in [Via::Channel, Via::Region] {
        torn(via, true, 0, 32);
    }
}

#[test]
fn doublewords_of_an_unaligned_store_are_never_seen_in_halves() {
    torn(Via::Channel, true, 3, 61);
    torn(Via::Channel, true, 4035, 61);
}

#[test]
fn doublewords_in_memory_that_may_shrink_are_never_seen_in_halves() {
    torn(Via::Channel, false, 0, 32);
}

#[test]
fn bits_of_others_stay_while_the_server_sets_and_the_guest_clears() {
    const MESSAGES: u64 = 1000;
    let _alone = alone();
    let daemon = Daemon::with_profile("pair");
    let mut sender = Driver::probe(&daemon.socket("ism0"), Via::Channel);
    let mut receiver = Driver::probe(&daemon.socket("ism1"), Via::Bar);
    let gid = sender.gid();
    // The bits of these eight buffers share a byte.
    let tokens: Vec<_> = (0..8)
        .map(|at| {
            let memory = dmb(
                IOVA + DMB + 0x1000 * at,
                0x1000,
                FIRST_INDEX + at as u32,
                gid,
            );
            receiver.run(code::REG_DMB, memory).number()
        })
        .collect();
    let memory = View::of(&receiver.ram);
    let bits = memory.byte(SBA + 8);
    let done = AtomicBool::new(false);
    let cleared = std::thread::scope(|threads| {
        // The guest clears each bit separately, as fast as it can, and counts none twice.
        let guest = threads.spawn(|| {
            let mut cleared = [0_u64; 8];
            while !done.load(SeqCst) {
                for (at, count) in cleared.iter_mut().enumerate() {
                    let bit = 0x80_u8 >> at;
                    *count += u64::from(bits.fetch_and(!bit, SeqCst) & bit != 0);
                }
            }
            cleared
        });
        let stop = SetAtEnd(&done);
        for number in 1..=MESSAGES {
            for token in &tokens {
                sender.post(target(*token, 0, true, 0), &number.to_be_bytes());
            }
            // Every set bit is cleared before it is set again, so each is counted.
            sender.gid();
            eventually("the guest clears", || {
                (bits.load(SeqCst) == 0).then_some(())
            });
        }
        drop(stop);
        guest.join().unwrap()
    });
    assert_eq!(cleared, [MESSAGES; 8]);
}
