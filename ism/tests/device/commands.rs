//! Tests of the fourteen commands and their responses.

use ism::ResponseCode;
use zpci_region::Path;

use crate::driver::{DMB, GIDS, IEQ, Machine, SBA, query_rgid, reg_dmb, request, signal_ieq};

fn code(machine: &mut Machine, f: usize, request: &[u8]) -> u16 {
    machine.command(f, request).0
}

fn be(value: u64) -> [u8; 8] {
    value.to_be_bytes()
}

const OK: u16 = 0;
const BAD_VALUE: u16 = ResponseCode::BadValue.value();
const UNREACHABLE_MEMORY: u16 = ResponseCode::MemoryNotReachable.value();
const TAKEN: u16 = ResponseCode::AlreadyRegistered.value();

#[test]
fn no_code_means_function_gone() {
    let last = ResponseCode::NoSuchVlan.value();
    assert!((1..=last).all(|value| value != 0xffff));
    assert_eq!(ResponseCode::Success.value(), 0);
}

#[test]
fn reg_sba_takes_a_mapped_page_once() {
    let mut machine = Machine::new(1);
    machine.guests.holes.push((0, 0x5fff..0x6000));
    assert_eq!(
        code(&mut machine, 0, &request(1, &[&be(SBA + 8)])),
        BAD_VALUE
    );
    assert_eq!(
        code(&mut machine, 0, &request(1, &[&be(0x5000)])),
        UNREACHABLE_MEMORY
    );
    assert_eq!(machine.info(0).sba, None);
    assert_eq!(code(&mut machine, 0, &request(1, &[&be(SBA)])), OK);
    assert_eq!(machine.info(0).sba, Some(SBA));
    assert_eq!(code(&mut machine, 0, &request(1, &[&be(SBA)])), TAKEN);
    assert!(
        machine.guests.log.is_empty(),
        "nothing is written, no interrupt"
    );
}

#[test]
fn unreg_sba_succeeds_with_and_without_one() {
    let mut machine = Machine::new(1);
    assert_eq!(code(&mut machine, 0, &request(0x11, &[])), OK);
    machine.probe(0);
    assert_eq!(code(&mut machine, 0, &request(0x11, &[])), OK);
    assert_eq!(machine.info(0).sba, None);
}

#[test]
fn reg_ieq_takes_512_mapped_bytes_once() {
    let mut machine = Machine::new(1);
    machine.done(0, &request(1, &[&be(SBA)]));
    machine.guests.holes.push((0, 0x51ff..0x5200));
    let ieq = |iova, len| request(2, &[&be(iova), &be(len)]);
    assert_eq!(code(&mut machine, 0, &ieq(IEQ, 511)), BAD_VALUE);
    assert_eq!(code(&mut machine, 0, &ieq(IEQ + 32, 512)), BAD_VALUE);
    assert_eq!(code(&mut machine, 0, &ieq(0x5000, 512)), UNREACHABLE_MEMORY);
    assert_eq!(code(&mut machine, 0, &ieq(IEQ, 512)), OK);
    assert_eq!(machine.info(0).ieq, Some(IEQ));
    assert_eq!(code(&mut machine, 0, &ieq(IEQ, 512)), TAKEN);
    assert!(
        machine.guests.log.is_empty(),
        "nothing is written, no interrupt"
    );
}

#[test]
fn unreg_ieq_succeeds_with_and_without_one() {
    let mut machine = Machine::new(1);
    assert_eq!(code(&mut machine, 0, &request(0x12, &[])), OK);
    machine.probe(0);
    assert_eq!(code(&mut machine, 0, &request(0x12, &[])), OK);
    assert_eq!(machine.info(0).ieq, None);
}

#[test]
fn read_gid_tells_the_gid() {
    let mut machine = Machine::new(2);
    assert_eq!(machine.done(1, &request(3, &[])), be(GIDS[1]));
}

#[test]
fn add_vlan_takes_12_bits_and_the_v2_mark_again_and_again() {
    let mut machine = Machine::new(1);
    for id in [0_u64, 7, 0xfff, 0x1fff, 0x1fff, 7] {
        assert_eq!(
            code(&mut machine, 0, &request(4, &[&be(id)])),
            OK,
            "{id:#x}"
        );
    }
    for id in [0x1000_u64, 0x1ffe, 0x2000, 1 << 32 | 7] {
        assert_eq!(
            code(&mut machine, 0, &request(4, &[&be(id)])),
            BAD_VALUE,
            "{id:#x}"
        );
    }
    assert_eq!(machine.info(0).vlans, [0, 7, 0xfff, 0x1fff]);
}

#[test]
fn add_vlan_has_room_for_64() {
    let mut machine = Machine::new(1);
    for id in 0..64_u64 {
        machine.done(0, &request(4, &[&be(id)]));
    }
    let full = ResponseCode::NoResources.value();
    assert_eq!(code(&mut machine, 0, &request(4, &[&be(64)])), full);
    assert_eq!(code(&mut machine, 0, &request(4, &[&be(63)])), OK);
}

#[test]
fn del_vlan_wants_a_member() {
    let mut machine = Machine::new(1);
    machine.done(0, &request(4, &[&be(7)]));
    machine.done(0, &request(5, &[&be(7)]));
    assert_eq!(machine.info(0).vlans, [0_u16; 0]);
    let missing = ResponseCode::NoSuchVlan.value();
    assert_eq!(code(&mut machine, 0, &request(5, &[&be(7)])), missing);
    assert_eq!(
        code(&mut machine, 0, &request(5, &[&be(0x1000)])),
        BAD_VALUE
    );
}

#[test]
fn set_vlan_demands_a_vlan_and_reset_vlan_ends_it() {
    let mut machine = Machine::new(2);
    let not_reachable = ResponseCode::NotReachable.value();
    machine.done(1, &request(6, &[]));
    assert!(machine.info(1).vlan_required);
    assert_eq!(
        code(&mut machine, 0, &query_rgid(GIDS[1], 0, 0)),
        not_reachable
    );
    machine.done(1, &request(7, &[]));
    assert_eq!(code(&mut machine, 0, &query_rgid(GIDS[1], 0, 0)), OK);
}

#[test]
fn query_info_is_200_bytes_of_what_is_registered() {
    let mut machine = Machine::new(2);
    machine.probe(0);
    machine.reg_dmb(0, 32, 4096, GIDS[1]);
    machine.reg_dmb(1, 32, 4096, GIDS[0]);
    machine.reg_dmb(1, 33, 4096, GIDS[0]);
    machine.done(0, &request(4, &[&be(0x1fff)]));
    machine.done(0, &request(4, &[&be(5)]));
    let info = machine.done(0, &request(8, &[]));
    assert_eq!(info.len(), 192);
    let u32_at = |at: usize| u32::from_be_bytes(info[at - 8..at - 4].try_into().unwrap());
    let u64_at = |at: usize| u64::from_be_bytes(info[at - 8..at].try_into().unwrap());
    assert_ne!(u32_at(8), 0);
    assert_eq!(u32_at(12), 1 << 20);
    assert_eq!((u64_at(24), u64_at(32), u64_at(40)), (GIDS[0], SBA, IEQ));
    assert_eq!((u32_at(48), u32_at(52)), (512, 0));
    assert_eq!((u32_at(56), u32_at(60)), (1, 2), "owned, used");
    assert_eq!((u32_at(64), u32_at(68)), (0, 2), "VLAN required, ids");
    assert_eq!(info[64..70], [0, 5, 0x1f, 0xff, 0, 0]);
}

#[test]
fn query_rgid_without_a_vlan_finds_every_function_and_itself() {
    let mut machine = Machine::new(2);
    assert_eq!(code(&mut machine, 0, &query_rgid(GIDS[0], 0, 0)), OK);
    assert_eq!(code(&mut machine, 0, &query_rgid(GIDS[1], 0, 9)), OK);
    let unknown = ResponseCode::NoSuchFunction.value();
    assert_eq!(code(&mut machine, 0, &query_rgid(GIDS[2], 0, 0)), unknown);
    assert_eq!(code(&mut machine, 0, &query_rgid(0, 0, 0)), unknown);
}

#[test]
fn query_rgid_in_a_vlan_wants_both_to_be_members() {
    let mut machine = Machine::new(2);
    let not_reachable = ResponseCode::NotReachable.value();
    for id in [7_u32, 0x1fff] {
        let query = query_rgid(GIDS[1], 1, id);
        assert_eq!(code(&mut machine, 0, &query), not_reachable);
        machine.done(1, &request(4, &[&be(u64::from(id))]));
        assert_eq!(
            code(&mut machine, 0, &query),
            not_reachable,
            "own membership"
        );
        machine.done(0, &request(4, &[&be(u64::from(id))]));
        assert_eq!(code(&mut machine, 0, &query), OK);
    }
    assert_eq!(
        code(&mut machine, 0, &query_rgid(GIDS[1], 1, 0x1_0007)),
        not_reachable
    );
}

#[test]
fn reg_dmb_gives_tokens_with_32_zero_bits_inside_the_bar() {
    let mut machine = Machine::new(1);
    let first = machine.reg_dmb(0, 32, 16384, GIDS[0]);
    let second = machine.reg_dmb(0, 1919, 1 << 20, 0x999);
    for token in [first, second] {
        assert_eq!(token & 0xffff_0000_ffff_ffff, 0);
        assert_ne!(token, 0);
    }
    assert_ne!(first, second);
    assert_eq!(machine.info(0).dmbs_owned, 2);
    assert!(machine.guests.log.is_empty());
}

#[test]
fn reg_dmb_checks_index_length_alignment_and_memory() {
    let mut machine = Machine::new(1);
    machine.reg_dmb(0, 32, 4096, GIDS[0]);
    machine.guests.holes.push((0, 0x9000..0x9001));
    let in_use = ResponseCode::IndexInUse.value();
    for (iova, len, index, expected) in [
        (DMB, 4096, 31, BAD_VALUE),
        (DMB, 4096, 1920, BAD_VALUE),
        (DMB, 4096, 32, in_use),
        (DMB, 0, 33, BAD_VALUE),
        (DMB, (1 << 20) + 1, 33, BAD_VALUE),
        (DMB + 8, 4096, 33, BAD_VALUE),
        (u64::MAX - 4095, 4096, 33, BAD_VALUE),
        (0x8000, 4097, 33, UNREACHABLE_MEMORY),
        (0x8000, 4096, 33, OK),
    ] {
        let got = code(&mut machine, 0, &reg_dmb(iova, len, index, GIDS[0]));
        assert_eq!(got, expected, "{iova:#x} {len} {index}");
    }
}

#[test]
fn functions_have_indexes_of_their_own() {
    let mut machine = Machine::new(2);
    machine.reg_dmb(0, 32, 4096, GIDS[1]);
    machine.reg_dmb(1, 32, 4096, GIDS[0]);
}

#[test]
fn reg_dmb_without_a_free_token_is_refused() {
    let mut machine = Machine::with(1, |config| config.data_bar_size = 1 << 33);
    assert_eq!(machine.reg_dmb(0, 32, 4096, GIDS[0]), 1 << 32);
    let full = ResponseCode::NoResources.value();
    assert_eq!(
        code(&mut machine, 0, &reg_dmb(DMB, 4096, 33, GIDS[0])),
        full
    );
}

#[test]
fn unreg_dmb_takes_own_and_unknown_tokens() {
    let mut machine = Machine::new(2);
    let token = machine.reg_dmb(0, 32, 4096, GIDS[1]);
    let not_owned = ResponseCode::NotOwned.value();
    assert_eq!(
        code(&mut machine, 1, &request(0x0b, &[&be(token)])),
        not_owned
    );
    assert_eq!(machine.info(0).dmbs_owned, 1);
    assert_eq!(code(&mut machine, 0, &request(0x0b, &[&be(token)])), OK);
    assert_eq!(machine.info(0).dmbs_owned, 0);
    assert_eq!(code(&mut machine, 0, &request(0x0b, &[&be(token)])), OK);
    machine.reg_dmb(0, 32, 4096, GIDS[1]);
}

#[test]
fn signal_ieq_wants_a_receiver_with_queue_and_sba() {
    let mut machine = Machine::new(2);
    let no_queue = ResponseCode::NoEventQueue.value();
    let unknown = ResponseCode::NoSuchFunction.value();
    let signal = signal_ieq(GIDS[1], 1, 0x80, 5);
    assert_eq!(code(&mut machine, 0, &signal), no_queue);
    assert_eq!(
        code(&mut machine, 0, &signal_ieq(GIDS[2], 1, 0, 0)),
        unknown
    );
    machine.probe(1);
    assert_eq!(code(&mut machine, 0, &signal), OK);
    machine.done(1, &request(0x11, &[]));
    assert_eq!(code(&mut machine, 0, &signal), no_queue);
}

#[test]
fn signal_ieq_to_memory_that_is_gone_writes_nothing() {
    let mut machine = Machine::new(2);
    machine.probe(1);
    machine.guests.holes.push((1, SBA..SBA + 4096));
    let answer = code(&mut machine, 0, &signal_ieq(GIDS[1], 1, 0x80, 5));
    assert_eq!(answer, UNREACHABLE_MEMORY);
    assert!(machine.guests.log.is_empty());
}

#[test]
fn unknown_codes_and_lengths_are_answered() {
    let mut machine = Machine::new(1);
    let unknown = ResponseCode::UnknownCommand.value();
    let bad_length = ResponseCode::BadLength.value();
    let missing = ResponseCode::MissingPayload.value();
    assert_eq!(code(&mut machine, 0, &request(0x0c, &[])), unknown);
    assert_eq!(code(&mut machine, 0, &request(3, &[&be(0)])), bad_length);
    assert_eq!(code(&mut machine, 0, &[0, 0, 0, 3, 0, 0, 0, 0]), bad_length);
    assert_eq!(
        code(&mut machine, 0, &[0, 0, 0, 3, 0, 0, 0xff, 0xff]),
        bad_length
    );
    assert_eq!(code(&mut machine, 0, &[0, 0, 0, 4, 0, 0, 0, 16]), missing);
    assert_eq!(machine.info(0).vlans, [0_u16; 0], "nothing was added");
    assert_eq!(machine.info(0).totals.failed_commands, 5);
}

#[test]
fn a_command_stored_in_8_byte_pieces_is_answered() {
    let mut machine = Machine::new(1);
    machine.path = Path::Bar;
    machine.probe(0);
    machine.broken();
    let request = reg_dmb(DMB, 16384, 32, GIDS[0]);
    for at in [8, 16, 24, 32, 0] {
        machine
            .store(0, 2, at as u64, &request[at..at + 8])
            .unwrap();
    }
    assert_eq!(machine.load(0, 2, 0, 16).unwrap()[4..8], [0, 0, 0, 16]);
    assert_eq!(machine.broken(), ["split-block-store"]);
}

#[test]
fn a_command_in_single_bytes_in_any_order_is_answered() {
    let mut machine = Machine::new(1);
    machine.path = Path::Bar;
    let request = request(4, &[&be(7)]);
    for at in (0..16).rev() {
        machine.store(0, 2, at as u64, &request[at..=at]).unwrap();
    }
    assert_eq!(machine.info(0).vlans, [7]);
    assert_eq!(machine.seen.commands, [("ADD_VLAN_ID", 0, 16)]);
}

#[test]
fn before_any_command_the_response_is_a_valid_failure() {
    let mut machine = Machine::new(1);
    let image = machine.load(0, 2, 0, 8).unwrap();
    assert_eq!(image, [0, 0, 0, 0, 0, 1, 0, 8]);
}

#[test]
fn a_load_cut_by_the_client_reads_the_same_response() {
    let mut machine = Machine::new(1);
    machine.path = Path::Bar;
    machine.done(0, &request(3, &[]));
    let whole = machine.load(0, 2, 0, 16).unwrap();
    for len in [1, 2, 4] {
        let mut parts = Vec::new();
        for at in (0..16).step_by(len) {
            parts.extend(machine.load(0, 2, at, len).unwrap());
        }
        assert_eq!(parts, whole);
    }
    assert_eq!(whole[8..], be(GIDS[0]));
}
