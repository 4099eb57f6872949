//! Tests of every order rule through the device: accesses that break it, accesses that come close, and the
//! effect of `reject`.

use ism::FunctionConfig;
use zpci_region::{Failure, Rule, Severity};

use crate::driver::{DMB, GIDS, IEQ, Machine, SBA, reg_dmb, request, target};

pub(crate) const NOTHING: [&str; 0] = [];
/// The token of the first DMB on a fabric of functions with a data BAR of 256 TiB.
const FIRST_TOKEN: u64 = 0xd000_0000_0000;

/// Creates a machine with probed functions 0 and 1 and a 16 KiB DMB of 1 for 0.
pub(crate) fn pair(rule: Rule, severity: Severity) -> (Machine, u64) {
    let mut machine = Machine::with_rules(2, &[rule], severity);
    machine.probe(0);
    machine.probe(1);
    let token = machine.reg_dmb(1, 40, 16384, GIDS[0]);
    machine.seen.rules();
    (machine, token)
}

/// Checks that the last of some stores breaks the rule. Under `warn` the store is reported; under `reject` it
/// is also refused and has no effect.
#[track_caller]
pub(crate) fn last_store_breaks(rule: Rule, stores: &[(u8, u64, Vec<u8>)]) {
    let (last, before) = stores.split_last().unwrap();
    let (mut machine, token) = pair(rule, Severity::Warn);
    let at = |pcias: u8, offset: u64| if pcias == 0 { offset | token } else { offset };
    for (pcias, offset, data) in before {
        machine.store(0, *pcias, at(*pcias, *offset), data).unwrap();
        assert_eq!(machine.seen.rules(), NOTHING);
    }
    machine
        .store(0, last.0, at(last.0, last.1), &last.2)
        .unwrap();
    assert_eq!(machine.seen.rules(), [rule.id()]);

    let (mut machine, _) = pair(rule, Severity::Reject);
    for (pcias, offset, data) in before {
        machine.store(0, *pcias, at(*pcias, *offset), data).unwrap();
    }
    machine.guests.take();
    let (info, response) = (machine.info(0), image(&mut machine));
    for _ in 0..2 {
        let refusal = machine
            .store(0, last.0, at(last.0, last.1), &last.2)
            .unwrap_err();
        assert_eq!((refusal.failure, refusal.rule), (Failure::Io, Some(rule)));
        assert_eq!(
            machine.seen.violations.pop().unwrap().severity,
            Severity::Reject
        );
    }
    machine.seen.rules();
    assert_eq!(machine.info(0), info);
    assert_eq!(image(&mut machine), response);
    assert!(machine.guests.log.is_empty());
}

/// Reads the response by a path that no rule judges.
fn image(machine: &mut Machine) -> Vec<u8> {
    let bytes = machine.load(0, 2, 8, 8).unwrap();
    machine.seen.rules();
    bytes
}

fn header(code: u32, len: u16) -> Vec<u8> {
    let mut header = code.to_be_bytes().to_vec();
    header.extend([0, 0]);
    header.extend(len.to_be_bytes());
    header
}

#[test]
fn header_without_payload() {
    last_store_breaks(Rule::HeaderWithoutPayload, &[(2, 0, header(4, 16))]);
}

#[test]
fn payload_gap() {
    last_store_breaks(
        Rule::PayloadGap,
        &[(2, 16, vec![0; 16]), (2, 0, header(9, 24))],
    );
}

#[test]
fn payload_after_header() {
    let (mut machine, _) = pair(Rule::PayloadAfterHeader, Severity::Warn);
    machine.store(0, 2, 0, &header(4, 16)).unwrap();
    machine.store(0, 2, 8, &7_u64.to_be_bytes()).unwrap();
    assert_eq!(
        machine.seen.rules(),
        ["header-without-payload", "payload-after-header"]
    );
    assert!(
        machine.info(0).vlans.is_empty(),
        "it is not part of the command"
    );
}

#[test]
fn torn_header() {
    last_store_breaks(Rule::TornHeader, &[(2, 0, vec![0, 0, 0, 3])]);
}

#[test]
fn header_not_alone() {
    let both = request(4, &[&7_u64.to_be_bytes()]);
    last_store_breaks(Rule::HeaderNotAlone, &[(2, 0, both)]);
}

#[test]
fn command_overlap() {
    last_store_breaks(
        Rule::CommandOverlap,
        &[(2, 0, header(3, 8)), (2, 0, header(8, 8))],
    );
    last_store_breaks(
        Rule::CommandOverlap,
        &[(2, 0, header(3, 8)), (2, 8, vec![0; 8])],
    );
}

#[test]
fn an_overlapping_command_is_told_once() {
    let (mut machine, _) = pair(Rule::CommandOverlap, Severity::Warn);
    machine.store(0, 2, 0, &header(3, 8)).unwrap();
    machine.store(0, 2, 8, &[0; 16]).unwrap();
    machine.store(0, 2, 0, &header(9, 24)).unwrap();
    assert_eq!(machine.seen.rules(), ["command-overlap"]);
}

#[test]
fn unknown_command_and_the_reversed_one() {
    last_store_breaks(Rule::UnknownCommand, &[(2, 0, header(0x10, 8))]);
    let (mut machine, _) = pair(Rule::UnknownCommand, Severity::Warn);
    let mut reversed = header(3, 8);
    reversed.reverse();
    machine.store(0, 2, 0, &reversed).unwrap();
    let detail = machine.seen.violations.pop().unwrap().detail;
    assert!(
        detail.contains("reversed the header is READ_GID"),
        "{detail}"
    );
}

#[test]
fn bad_command_length() {
    last_store_breaks(Rule::BadCommandLength, &[(2, 0, header(3, 16))]);
    last_store_breaks(
        Rule::BadCommandLength,
        &[(2, 8, vec![0; 16]), (2, 0, header(5, 16))],
    );
}

#[test]
fn reserved_not_zero() {
    last_store_breaks(
        Rule::ReservedNotZero,
        &[(2, 0, vec![0, 0, 0, 3, 0, 1, 0, 8])],
    );
}

#[test]
fn response_before_command_and_overread() {
    for (rule, command, offset) in [
        (Rule::ResponseBeforeCommand, false, 0),
        (Rule::ResponseOverread, true, 16),
    ] {
        for severity in [Severity::Warn, Severity::Reject] {
            let mut machine = Machine::with_rules(1, &[rule], severity);
            if command {
                machine.done(0, &request(3, &[]));
            }
            let loaded = machine.load(0, 2, offset, 8);
            assert_eq!(loaded.is_err(), severity == Severity::Reject);
            assert_eq!(machine.seen.rules(), [rule.id()]);
            machine.done(0, &request(3, &[]));
            assert_eq!(machine.seen.rules(), NOTHING, "the exact response is fine");
        }
    }
}

/// Checks a command that breaks a rule: under `warn` it gets a response, under `reject` it does not run.
#[track_caller]
fn command_breaks(rule: Rule, prepare: impl Fn(&mut Machine), request: &[u8], answer: u16) {
    let mut machine = Machine::with_rules(2, &[rule], Severity::Warn);
    prepare(&mut machine);
    machine.seen.rules();
    assert_eq!(machine.command(0, request).0, answer);
    assert_eq!(machine.broken(), [rule.id()]);

    let mut machine = Machine::with_rules(2, &[rule], Severity::Reject);
    prepare(&mut machine);
    machine.seen.commands.clear();
    machine.store(0, 2, 8, &request[8..]).unwrap();
    let refusal = machine.store(0, 2, 0, &request[..8]).unwrap_err();
    assert_eq!(refusal.rule, Some(rule));
    assert!(machine.seen.commands.is_empty());
}

fn probed(machine: &mut Machine) {
    machine.probe(0);
}

#[test]
fn register_order() {
    let ieq = request(2, &[&IEQ.to_be_bytes(), &512_u64.to_be_bytes()]);
    command_breaks(Rule::RegisterOrder, |_| {}, &ieq, 0);
    let dmb = reg_dmb(DMB, 4096, 32, GIDS[0]);
    command_breaks(Rule::RegisterOrder, |_| {}, &dmb, 0);
    let sba_only = |machine: &mut Machine| {
        machine.done(0, &request(1, &[&SBA.to_be_bytes()]));
    };
    command_breaks(Rule::RegisterOrder, sba_only, &dmb, 0);
    let mut machine = Machine::new(1);
    machine.probe(0);
    machine.done(0, &dmb);
    assert_eq!(machine.broken(), NOTHING);
}

#[test]
fn bad_sba_index() {
    for index in [0, 31, 1920, u32::MAX] {
        command_breaks(Rule::BadSbaIndex, probed, &reg_dmb(DMB, 4096, index, 1), 5);
    }
    let used = |machine: &mut Machine| {
        machine.probe(0);
        machine.reg_dmb(0, 50, 4096, 1);
    };
    command_breaks(Rule::BadSbaIndex, used, &reg_dmb(DMB, 4096, 50, 1), 7);
}

#[test]
fn bad_dmb_memory() {
    for (iova, len, answer) in [
        (DMB + 1, 4096, 5),
        (DMB, 0, 5),
        (DMB, (1 << 20) + 1, 5),
        (DMB + 4096, 1 << 20, 0),
    ] {
        command_breaks(
            Rule::BadDmbMemory,
            probed,
            &reg_dmb(iova, len, 32, 1),
            answer,
        );
    }
    let mut machine = Machine::new(1);
    machine.probe(0);
    machine.done(0, &reg_dmb(DMB, 1 << 20, 32, 1));
    machine.done(0, &reg_dmb(DMB + (1 << 20) - 4096, 4096, 33, 1));
    assert_eq!(machine.broken(), NOTHING);
}

#[test]
fn queue_misaligned() {
    command_breaks(
        Rule::QueueMisaligned,
        |_| {},
        &request(1, &[&(SBA + 8).to_be_bytes()]),
        5,
    );
    let sba = |machine: &mut Machine| {
        machine.done(0, &request(1, &[&SBA.to_be_bytes()]));
    };
    for (iova, len) in [(IEQ + 8, 512_u64), (IEQ, 4096)] {
        let request = request(2, &[&iova.to_be_bytes(), &len.to_be_bytes()]);
        command_breaks(Rule::QueueMisaligned, sba, &request, 5);
    }
}

#[test]
fn a_dmb_behind_the_end_of_all_addresses_is_bad_and_outside_the_window() {
    let mut machine = Machine::new(1);
    machine.probe(0);
    machine.broken();
    let (code, _) = machine.command(0, &reg_dmb(u64::MAX - 4095, 4096, 32, 1));
    assert_eq!(code, 5);
    assert_eq!(machine.broken(), ["bad-dmb-memory", "outside-dma-window"]);
}

#[test]
fn payload_overwritten_and_mixed() {
    last_store_breaks(
        Rule::PayloadOverwritten,
        &[(2, 8, vec![0; 8]), (2, 8, vec![0; 16])],
    );
    last_store_breaks(
        Rule::PayloadMixed,
        &[(2, 8, vec![0; 16]), (2, 8, vec![0; 8])],
    );
    last_store_breaks(
        Rule::PayloadMixed,
        &[(2, 8, vec![0; 16]), (2, 16, vec![0; 16])],
    );
}

#[test]
fn response_half_read() {
    for next in [header(3, 8), vec![0; 16]] {
        let offset = if next.len() == 8 { 0 } else { 8 };
        for severity in [Severity::Warn, Severity::Reject] {
            let (mut machine, _) = pair(Rule::ResponseHalfRead, severity);
            machine.store(0, 2, 0, &header(3, 8)).unwrap();
            machine.load(0, 2, 0, 8).unwrap();
            let stored = machine.store(0, 2, offset, &next);
            assert_eq!(stored.is_err(), severity == Severity::Reject);
            assert_eq!(machine.seen.rules(), ["response-half-read"]);
        }
        let (mut machine, _) = pair(Rule::ResponseHalfRead, Severity::Warn);
        machine.store(0, 2, 0, &header(3, 8)).unwrap();
        machine.load(0, 2, 0, 8).unwrap();
        machine.load(0, 2, 8, 8).unwrap();
        machine.store(0, 2, offset, &next).unwrap();
        assert_eq!(machine.seen.rules(), NOTHING);
    }
}

#[test]
fn a_response_that_failed_is_read_with_its_header() {
    let (mut machine, _) = pair(Rule::ResponseHalfRead, Severity::Warn);
    machine.done(0, &request(4, &[&7_u64.to_be_bytes()]));
    assert_eq!(
        machine.command(0, &request(5, &[&9_u64.to_be_bytes()])).0,
        14
    );
    machine.done(0, &request(3, &[]));
    assert_eq!(machine.broken(), NOTHING);
}

#[test]
fn token_as_address() {
    let dmb = |machine: &mut Machine| {
        machine.probe(0);
        assert_eq!(machine.reg_dmb(0, 50, 4096, 1), FIRST_TOKEN);
    };
    let given_back = |machine: &mut Machine| {
        dmb(machine);
        machine.done(0, &request(0x0b, &[&FIRST_TOKEN.to_be_bytes()]));
    };
    let again = reg_dmb(FIRST_TOKEN, 4096, 51, 1);
    command_breaks(Rule::TokenAsAddress, dmb, &again, 0);
    command_breaks(Rule::TokenAsAddress, given_back, &again, 0);
    let no_sba = |machine: &mut Machine| {
        dmb(machine);
        machine.done(0, &request(0x12, &[]));
        machine.done(0, &request(0x11, &[]));
    };
    let token = FIRST_TOKEN.to_be_bytes();
    command_breaks(Rule::TokenAsAddress, no_sba, &request(1, &[&token]), 0);
    let no_ieq = |machine: &mut Machine| {
        dmb(machine);
        machine.done(0, &request(0x12, &[]));
    };
    let ieq = request(2, &[&token, &512_u64.to_be_bytes()]);
    command_breaks(Rule::TokenAsAddress, no_ieq, &ieq, 0);
    // Next to a token, and at the value of the next token.
    let mut machine = Machine::new(1);
    dmb(&mut machine);
    machine.done(0, &reg_dmb(FIRST_TOKEN + 4096, 4096, 51, 1));
    machine.done(0, &reg_dmb(FIRST_TOKEN + (2 << 32), 4096, 52, 1));
    assert_eq!(machine.broken(), NOTHING);
}

#[test]
fn outside_dma_window() {
    let window = |config: &mut FunctionConfig| {
        config.clp.start_dma = SBA;
        config.clp.end_dma = DMB + 0xf_ffff;
    };
    let command = |request: &[u8]| {
        let mut machine = Machine::with(1, window);
        machine.probe(0);
        machine.done(0, request);
        machine.broken()
    };
    let told = ["outside-dma-window"];
    let below = SBA - 4096;
    assert_eq!(command(&reg_dmb(below, 4096, 32, 1)), told);
    assert_eq!(command(&reg_dmb(DMB, 1 << 20, 32, 1)), NOTHING);
    assert_eq!(command(&reg_dmb(DMB + (1 << 20), 4096, 32, 1)), told);
    let mut machine = Machine::with(1, window);
    machine.done(0, &request(1, &[&below.to_be_bytes()]));
    assert_eq!(machine.broken(), told);
    let ieq = request(2, &[&below.to_be_bytes(), &512_u64.to_be_bytes()]);
    machine.done(0, &ieq);
    assert_eq!(machine.broken(), told);
    for (address, expected) in [(DMB + 0xf_f000, 0), (DMB + 0xf_f001, 1)] {
        let mut machine = Machine::with(1, window);
        machine.command(0, &request(1, &[&address.to_be_bytes()]));
        let outside = machine.broken();
        let outside = outside.iter().filter(|rule| **rule == told[0]).count();
        assert_eq!(
            outside, expected,
            "{address:#x}: the page's last byte counts"
        );
    }
}

#[test]
fn address_as_token() {
    for address in [DMB + (40 << 20), SBA, IEQ] {
        let (mut machine, _) = pair(Rule::AddressAsToken, Severity::Warn);
        // This is how the driver builds the offset: it ORs element, flag and offset into the value that it
        // believes to be a token.
        for fields in [0, 1 << 23, 5 << 24 | 64] {
            machine.store(0, 0, address | fields, &[0; 8]).unwrap_err();
            assert_eq!(machine.seen.rules(), ["unknown-dmb", "address-as-token"]);
        }
        let unregister = request(0x0b, &[&address.to_be_bytes()]);
        machine.done(0, &unregister);
        assert_eq!(
            machine.broken(),
            ["unregister-not-owned", "address-as-token"]
        );
        let beside = address + (9 << 32);
        machine.store(0, 0, beside, &[0; 8]).unwrap_err();
        machine.done(0, &request(0x0b, &[&beside.to_be_bytes()]));
        assert_eq!(machine.broken(), ["unknown-dmb", "unregister-not-owned"]);
    }
}

#[test]
fn unregister_not_owned() {
    let unknown = request(0x0b, &[&(77_u64 << 32).to_be_bytes()]);
    command_breaks(Rule::UnregisterNotOwned, probed, &unknown, 0);
    let foreign = |machine: &mut Machine| {
        machine.probe(0);
        machine.probe(1);
        assert_eq!(machine.reg_dmb(1, 32, 4096, GIDS[0]), FIRST_TOKEN);
    };
    let request = request(0x0b, &[&FIRST_TOKEN.to_be_bytes()]);
    command_breaks(Rule::UnregisterNotOwned, foreign, &request, 13);
}

#[test]
fn violations_say_where_and_how_much() {
    let (mut machine, token) = pair(Rule::UnknownDmb, Severity::Note);
    let offset = target(token + (9 << 32), 0, false, 12);
    machine.store(0, 0, offset, &[0; 20]).unwrap_err();
    let violation = machine.seen.violations.pop().unwrap();
    assert_eq!(
        (violation.pcias, violation.offset, violation.len),
        (0, offset, 20)
    );
    assert_eq!((violation.pieces, violation.piece_len), (1, 20));
    assert_eq!(violation.severity, Severity::Note);
}
