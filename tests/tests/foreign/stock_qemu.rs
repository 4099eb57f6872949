//! Tests with a client that cuts every store into posted writes of 8 bytes, as stock QEMU cuts a guest's
//! block stores. It follows neither contract, but is served.

use vfio_user_ism_tests::client::{command, region_write};
use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, IEQ, IOVA, code, dmb, header, target};
use vfio_user_ism_tests::patience::eventually;
use vfio_user_ism_tests::wire::{NO_REPLY, message};
use vfio_user_ism_tests::{Bytes, Daemon, Driver, Via};

/// Issues a block store in pieces, in one send: a pause between two of them would end the run.
fn store(driver: &mut Driver, bar: u32, offset: u64, data: &[u8]) {
    let pieces = (offset..).step_by(8).zip(data.chunks(8));
    let messages = pieces.flat_map(|(at, piece)| {
        let body = region_write(bar, at, piece);
        message(1, command::REGION_WRITE, NO_REPLY, body.as_ref())
    });
    driver.client.wire.send(&messages.collect::<Vec<u8>>());
}

/// Issues a command with its payload in pieces.
fn run(driver: &mut Driver, code: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    store(driver, 2, 8, payload);
    store(driver, 2, 0, &header(code, 8 + payload.len() as u16));
    driver.response().ok()
}

#[test]
fn every_command_and_move_is_carried_out_and_every_cut_recorded() {
    let daemon = Daemon::with_profile("qemu-stock");
    let mut driver = Driver::attach(&daemon.only(), Via::Bar);
    run(&mut driver, code::REG_SBA, Bytes::new().be64(IOVA));
    run(
        &mut driver,
        code::REG_IEQ,
        Bytes::new().be64(IOVA + IEQ).be64(512),
    );
    let gid = u64::from_be_bytes(run(&mut driver, code::READ_GID, []).try_into().unwrap());
    let token = run(
        &mut driver,
        code::REG_DMB,
        dmb(IOVA + DMB, 4096, FIRST_INDEX, gid),
    );
    let token = u64::from_be_bytes(token.try_into().unwrap());
    let data: Vec<u8> = (0..128).collect();
    store(&mut driver, 0, target(token, 0, false, 64), &data);
    run(&mut driver, code::UNREG_DMB, Bytes::new().be64(token));
    assert_eq!(driver.ram.read(DMB + 64, 128), data);
    drop(driver);

    let stopped = daemon.stop();
    assert_eq!(stopped.function("ism0")["failed_commands"], 0);
    assert_eq!(stopped.rules(), ["split-block-store"]);
    let cuts = stopped.events_named("violation").map(|cut| {
        assert_eq!(cut["piece_length"], 8);
        (
            cut["pcias"].as_u64().unwrap(),
            cut["pieces"].as_u64().unwrap(),
        )
    });
    // These are the payloads of REG_IEQ and REG_DMB, and the move.
    assert_eq!(cuts.collect::<Vec<_>>(), [(2, 2), (2, 4), (0, 16)]);
}

#[test]
fn a_cut_is_recorded_while_the_client_is_silent() {
    let daemon = Daemon::start();
    let mut driver = Driver::attach(&daemon.only(), Via::Bar);
    store(&mut driver, 2, 8, &[0; 16]);
    eventually("the cut is in the events", || {
        let events = daemon.events();
        let cut = events.iter().find(|event| event["event"] == "violation")?;
        assert_eq!(cut["rule"], "split-block-store");
        Some(())
    });
}

#[test]
fn coalesced_writes_are_pieces_too() {
    let daemon = Daemon::start();
    let mut driver = Driver::attach(&daemon.only(), Via::Bar);
    let piece = [0; 8];
    let writes: Vec<_> = (0..4).map(|n| (2, 8 + 8 * n, &piece[..])).collect();
    driver.client.write_multi(&writes).ok();
    drop(driver);
    let stopped = daemon.stop();
    let cut = stopped.events_named("violation").next().unwrap();
    assert_eq!(
        (&cut["rule"], &cut["path"]),
        (&"split-block-store".into(), &"bar-multi".into())
    );
    assert_eq!(cut["pieces"], 4);
}

#[test]
fn a_header_whose_bytes_were_reversed_is_answered_and_explained() {
    let daemon = Daemon::with_profile("qemu-stock");
    let mut driver = Driver::attach(&daemon.only(), Via::Bar);
    let mut reversed = header(code::READ_GID, 8);
    reversed.reverse();
    store(&mut driver, 2, 0, &reversed);
    driver.response().failed();
    drop(driver);
    let stopped = daemon.stop();
    let mut violations = stopped.events_named("violation");
    let unknown = violations.find(|violation| violation["rule"] == "unknown-command");
    let unknown = unknown.expect("the command is not known");
    let detail = unknown["detail"].as_str().unwrap();
    assert!(
        detail.contains("reversed") && detail.contains("READ_GID"),
        "{detail}"
    );
}
