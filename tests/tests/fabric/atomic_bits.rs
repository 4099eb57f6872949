//! The device sets bits in the SBA while the guest clears other bits in the same bytes. Neither may undo the
//! other's change.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::SeqCst};

use vfio_user_ism_tests::driver::{FIRST_INDEX, SBA, target};
use vfio_user_ism_tests::{Daemon, Driver, Via, View};

const SIGNALS: u32 = 10_000;

/// Sets and clears `bit` of `byte`, which nobody else changes, until `done`. Returns how often the bit did
/// not keep its value.
fn flip(byte: &AtomicU8, bit: u8, done: &AtomicBool) -> u32 {
    // A lost change is visible only until the next flip, so the check looks several times.
    let stays = |expected| (0..16).all(|_| byte.load(SeqCst) & bit == expected);
    let mut undone = 0;
    while !done.load(SeqCst) {
        byte.fetch_or(bit, SeqCst);
        undone += u32::from(!stays(bit));
        byte.fetch_and(!bit, SeqCst);
        undone += u32::from(!stays(0));
    }
    undone
}

/// Signals a buffer repeatedly while the guest flips a bit of the byte at `at` of the SBA.
#[track_caller]
fn signalled_meanwhile(at: u64, bit: u8) {
    let daemon = Daemon::start();
    let mut driver = Driver::probe(&daemon.only(), Via::Bar);
    let gid = driver.gid();
    let token = driver.register_dmb(4096, FIRST_INDEX, gid);
    let memory = View::of(&driver.ram);
    let byte = |at| memory.byte(SBA + at);
    let done = AtomicBool::new(false);
    let undone = std::thread::scope(|threads| {
        let guest = threads.spawn(|| flip(byte(at), bit, &done));
        for _ in 0..SIGNALS {
            driver.client.post(0, target(token, 0, true, 0), &[0; 32]);
        }
        // This reply comes once all moves are carried out.
        driver.put(target(token, 0, true, 0), &[0; 32]).ok();
        done.store(true, SeqCst);
        guest.join().unwrap()
    });
    assert_eq!(undone, 0, "of {SIGNALS} signals");
    assert_eq!(byte(8).load(SeqCst), 0x80);
}

#[test]
fn no_bit_is_lost_in_the_byte_of_summary_and_event() {
    signalled_meanwhile(0, 0x20);
}

#[test]
fn no_bit_is_lost_in_the_byte_with_the_dmb_bit() {
    signalled_meanwhile(8, 0x01);
}

#[test]
fn no_bit_is_lost_in_the_element_mask_of_a_dmb() {
    signalled_meanwhile(320, 0x40);
    signalled_meanwhile(321, 0x01);
}
