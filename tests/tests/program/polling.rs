//! Tests of `--poll-us`: faster answers while a client is busy, and no work while it is not.

use std::time::Duration;

use vfio_user_ism_tests::driver::{FIRST_INDEX, target};
use vfio_user_ism_tests::{Daemon, Driver, Via};

/// Returns the processor time of a process so far, in ticks of 1/100 s.
fn ticks(daemon: &Daemon) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.pid())).unwrap();
    let behind_name = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = behind_name.split_whitespace().collect();
    [11, 12]
        .map(|at| fields[at].parse::<u64>().unwrap())
        .iter()
        .sum()
}

/// A client's bytes arrive, whether the client is quick or slow, alone or beside the instruction channel's
/// client.
#[test]
fn polling_changes_no_answer() {
    let daemon = Daemon::with_arguments(&["--poll-us", "300"]);
    let mut driver = Driver::probe(&daemon.only(), Via::Region);
    let gid = driver.gid();
    let token = driver.register_dmb(0x1_0000, FIRST_INDEX, gid);
    for round in 0..200u64 {
        let bytes = round.to_be_bytes();
        driver.put(target(token, 0, false, 8 * round), &bytes).ok();
        let there = driver
            .ram
            .be(vfio_user_ism_tests::driver::DMB + 8 * round, 8);
        assert_eq!(there, round);
        if round % 50 == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    // Messages without a wait are answered in order.
    let ids: Vec<u16> = (0..100)
        .map(|_| {
            let body = vfio_user_ism_tests::client::access(7, 0, 4);
            driver
                .client
                .send(vfio_user_ism_tests::client::command::REGION_READ, 0, body)
        })
        .collect();
    for id in ids {
        let data = driver.client.reply_to(id).data();
        assert_eq!(data, [0x14, 0x10, 0xed, 0x04]);
    }
}

/// A server that polled all the time would use 200 ticks in these two seconds.
#[test]
fn a_silent_client_takes_no_processor_time() {
    for arguments in [&[][..], &["--poll-us", "100000"]] {
        let daemon = Daemon::with_arguments(arguments);
        let mut driver = Driver::attach(&daemon.only(), Via::Bar);
        (0..100).for_each(|_| _ = driver.gid());
        // This covers the longest polling, an open run of pieces, and the event file.
        std::thread::sleep(Duration::from_millis(1500));
        let before = ticks(&daemon);
        std::thread::sleep(Duration::from_secs(2));
        let used = ticks(&daemon) - before;
        assert!(used <= 4, "{arguments:?}: {used} ticks");
        driver.gid();
    }
}

#[test]
fn a_poll_time_that_is_too_long_is_refused() {
    let ended = vfio_user_ism_tests::program::run(["--socket-path", "/x", "--poll-us", "100001"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("100000"), "{}", ended.stderr);
}
