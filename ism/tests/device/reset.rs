//! Tests of the state after a reset and after the loss of a client, and of the events to peers.

use ism::{FunctionId, ResponseCode};
use zpci_region::Path;

use crate::driver::{GIDS, IEQ, Machine, SBA, query_rgid, request, target};
use crate::guests::Op;

fn reset(machine: &mut Machine, f: usize) {
    machine
        .fabric
        .reset(FunctionId(f), &mut machine.guests, &mut machine.seen);
}

fn detach(machine: &mut Machine, f: usize) {
    machine
        .fabric
        .detach(FunctionId(f), &mut machine.guests, &mut machine.seen);
}

/// Returns the functions that were informed that the GID of `f` is gone, in order.
#[track_caller]
fn told(machine: &mut Machine, f: usize) -> Vec<usize> {
    let events = std::mem::take(&mut machine.seen.events);
    for event in &events {
        assert_eq!((event.event_type, event.code, event.token), (1, 7, GIDS[f]));
        assert!(event.delivered);
    }
    events.iter().map(|event| event.to.0).collect()
}

/// Creates three probed functions; 0 owns a buffer for 1, 2 owns one for 0.
fn three() -> (Machine, u64) {
    let mut machine = Machine::new(3);
    for f in 0..3 {
        machine.probe(f);
    }
    let token = machine.reg_dmb(0, 32, 4096, GIDS[1]);
    machine.reg_dmb(2, 32, 4096, GIDS[0]);
    (machine, token)
}

#[test]
fn reset_forgets_registrations_and_buffers() {
    let (mut machine, token) = three();
    machine.done(0, &request(4, &[&7_u64.to_be_bytes()]));
    machine.done(0, &request(6, &[]));
    reset(&mut machine, 0);
    let info = machine.info(0);
    assert_eq!((info.sba, info.ieq, info.dmbs_owned), (None, None, 0));
    assert!(info.vlans.is_empty() && !info.vlan_required);
    assert_eq!(info.dmbs_used, 1, "the peer's buffer is the peer's");
    assert!(
        machine
            .store(1, 0, target(token, 0, false, 0), &[1])
            .is_err()
    );
    let image = machine.load(0, 2, 0, 8).unwrap();
    assert_eq!(image[4..], [0, 1, 0, 8], "as before any command");
}

#[test]
fn reset_restores_configuration_space() {
    let mut machine = Machine::new(1);
    let mut before = [0; 256];
    machine
        .fabric
        .config_read(FunctionId(0), 0, &mut before)
        .unwrap();
    machine.fabric.config_write(FunctionId(0), 4, &[6]).unwrap();
    reset(&mut machine, 0);
    let mut after = [0; 256];
    machine
        .fabric
        .config_read(FunctionId(0), 0, &mut after)
        .unwrap();
    assert_eq!(after, before);
}

#[test]
fn peers_that_share_a_buffer_are_told_once() {
    let (mut machine, _) = three();
    machine.guests.take();
    reset(&mut machine, 0);
    assert_eq!(told(&mut machine, 0), [1, 2]);
    let log = machine.guests.take();
    assert_eq!(
        log.iter()
            .filter(|op| matches!(op, Op::Interrupt(_)))
            .count(),
        2
    );
    assert!(log.contains(&Op::Write(2, IEQ, 1_u64.to_be_bytes().to_vec())));
    reset(&mut machine, 0);
    detach(&mut machine, 0);
    assert!(told(&mut machine, 0).is_empty());
}

#[test]
fn a_function_without_shared_buffers_goes_unnoticed() {
    let (mut machine, _) = three();
    let token = machine.reg_dmb(1, 33, 4096, GIDS[2]);
    machine.done(1, &request(0x0b, &[&token.to_be_bytes()]));
    reset(&mut machine, 2);
    assert_eq!(told(&mut machine, 2), [0]);
    let own = machine.reg_dmb(1, 34, 4096, GIDS[1]);
    machine.done(1, &request(0x0b, &[&own.to_be_bytes()]));
    reset(&mut machine, 1);
    assert_eq!(told(&mut machine, 1), [0]);
}

#[test]
fn functions_part_with_the_last_buffer_between_them() {
    let mut machine = Machine::new(2);
    machine.probe(0);
    machine.probe(1);
    let token = machine.reg_dmb(0, 32, 4096, GIDS[1]);
    machine.reg_dmb(1, 32, 4096, GIDS[0]);
    machine.done(0, &request(0x0b, &[&token.to_be_bytes()]));
    reset(&mut machine, 0);
    assert_eq!(told(&mut machine, 0), [1]);
}

#[test]
fn any_access_shows_that_a_function_is_back() {
    for access in 0..4 {
        let mut machine = Machine::new(2);
        detach(&mut machine, 0);
        assert_ne!(machine.command(1, &query_rgid(GIDS[0], 0, 0)).0, 0);
        match access {
            0 => machine.store(0, 2, 8, &[0; 8]).unwrap(),
            1 => drop(machine.load(0, 2, 0, 8).unwrap()),
            2 => machine.fabric.config_write(FunctionId(0), 4, &[6]).unwrap(),
            _ => reset(&mut machine, 0),
        }
        machine.done(1, &query_rgid(GIDS[0], 0, 0));
    }
}

#[test]
fn unregistering_the_sba_ends_the_relation() {
    let (mut machine, token) = three();
    machine.done(0, &request(0x12, &[]));
    assert!(told(&mut machine, 0).is_empty());
    machine.done(0, &request(0x11, &[]));
    assert_eq!(told(&mut machine, 0), [1, 2]);
    assert_eq!(machine.info(0).dmbs_owned, 1, "{token:#x}");
}

#[test]
fn a_driver_that_leaves_in_good_order_disturbs_nobody() {
    let mut machine = Machine::new(2);
    machine.probe(0);
    machine.probe(1);
    let token = machine.reg_dmb(0, 32, 4096, GIDS[1]);
    machine.done(0, &request(0x0b, &[&token.to_be_bytes()]));
    machine.done(0, &request(0x12, &[]));
    machine.done(0, &request(0x11, &[]));
    reset(&mut machine, 0);
    assert!(machine.seen.events.is_empty());
    assert!(machine.guests.log.is_empty());
}

#[test]
fn a_lost_client_leaves_the_state_and_its_peers_know() {
    let (mut machine, token) = three();
    detach(&mut machine, 0);
    assert_eq!(told(&mut machine, 0), [1, 2]);
    let info = machine.info(0);
    assert_eq!(
        (info.sba, info.ieq, info.dmbs_owned),
        (Some(SBA), Some(IEQ), 1)
    );
    machine
        .store(1, 0, target(token, 0, false, 0), &[1])
        .unwrap();
    let not_reachable = ResponseCode::NotReachable.value();
    assert_eq!(
        machine.command(1, &query_rgid(GIDS[0], 0, 0)).0,
        not_reachable
    );
    machine.done(0, &request(3, &[]));
    assert_eq!(machine.command(1, &query_rgid(GIDS[0], 0, 0)).0, 0);
}

#[test]
fn a_peer_that_cannot_be_told_keeps_nobody_else_from_it() {
    let (mut machine, _) = three();
    machine.guests.holes.push((1, 0..u64::MAX));
    detach(&mut machine, 0);
    let delivered: Vec<_> = machine
        .seen
        .events
        .iter()
        .map(|e| (e.to.0, e.delivered))
        .collect();
    assert_eq!(delivered, [(1, false), (2, true)]);
}

#[test]
fn an_open_run_is_told_at_reset_and_at_detach() {
    for end in [reset, detach] {
        let mut machine = Machine::new(1);
        machine.path = Path::Bar;
        machine.store(0, 2, 8, &[0; 8]).unwrap();
        machine.store(0, 2, 16, &[0; 8]).unwrap();
        assert!(machine.fabric.has_open_run(FunctionId(0)));
        assert!(machine.seen.rules().is_empty());
        end(&mut machine, 0);
        assert_eq!(machine.seen.rules(), ["split-block-store"]);
        assert!(!machine.fabric.has_open_run(FunctionId(0)));
    }
}

#[test]
fn a_function_that_is_not_there_has_no_device() {
    let mut machine = Machine::new(1);
    assert_eq!(
        machine.store(1, 2, 0, &[0; 8]).unwrap_err().failure.errno(),
        19
    );
    assert_eq!(machine.load(1, 2, 0, 8).unwrap_err().failure.errno(), 19);
    assert!(
        machine
            .fabric
            .config_read(FunctionId(1), 0, &mut [0])
            .is_err()
    );
    reset(&mut machine, 1);
    detach(&mut machine, 1);
}
