//! Cases for the rules about target and order of data moves.

use vfio_user_ism_tests::Message;
use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, IOVA, target};

use super::{Case, Rig};

const LEN: u32 = 0x3800;

/// Returns the token of a buffer of the other function, into which the first may write.
fn buffer(rig: &mut Rig) -> u64 {
    rig.two.register();
    rig.two.register_dmb(LEN, FIRST_INDEX, 0xa)
}

/// Makes moves of 16 bytes into such a buffer: offset and signal. Returns the last reply.
fn moves(rig: &mut Rig, moves: &[(u64, bool)]) -> Message {
    let token = buffer(rig);
    let replies = moves
        .iter()
        .map(|(at, signal)| rig.one.put(target(token, 0, *signal, *at), &[1; 16]));
    replies.last().unwrap()
}

pub(crate) const CASES: &[Case] = &[
    Case::new("unknown-dmb", |rig| {
        rig.one.put(target(0x77_0000_0000, 0, false, 0), &[1; 16])
    }),
    Case::new("address-as-token", |rig| {
        buffer(rig);
        rig.one.put(IOVA + DMB + 64, &[1; 16])
    }),
    Case::new("outside-dmb", |rig| {
        moves(rig, &[(u64::from(LEN) - 8, false)])
    }),
    Case::new("not-permitted-by-rgid", |rig| {
        rig.two.register();
        let token = rig.two.register_dmb(LEN, FIRST_INDEX, 0xb);
        rig.one.put(target(token, 0, false, 0), &[1; 16])
    }),
    Case::new("element-index-too-high", |rig| {
        let token = buffer(rig);
        rig.one.put(target(token, 16, true, 0), &[1; 16])
    }),
    Case::new("data-after-signal", |rig| {
        moves(rig, &[(64, true), (80, false)])
    }),
    Case::new("descending-pieces", |rig| {
        moves(rig, &[(0x1000, false), (0xff0, false)])
    }),
    Case::new("signal-without-sba", |rig| {
        let token = rig.two.register_dmb(LEN, FIRST_INDEX, 0xa);
        rig.one.put(target(token, 0, true, 0), &[1; 16])
    }),
    Case {
        tolerate: &["crosses-4k"],
        ..Case::new("move-crosses-page", |rig| moves(rig, &[(0xff8, false)]))
    },
];
