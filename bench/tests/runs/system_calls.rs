//! Counts the server's system calls for one round trip, with strace.
//!
//! A busy machine causes pauses, after which the server waits differently. So the test uses the smallest
//! count of several short runs.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, setpriority_process};
use vfio_user_ism_tests::client::{CONFIG, ZPCI, command, region_write};
use vfio_user_ism_tests::driver::{FIRST_INDEX, target, zpci_request};
use vfio_user_ism_tests::wire::message;
use vfio_user_ism_tests::{Client, Daemon, Driver, Via};

/// Number of round trips in a run, and largest number of runs.
const TIMES: u64 = 200;
const RUNS: u32 = 20;

/// Returns the system calls of process `id` during `run`.
#[track_caller]
fn count(id: u32, run: impl FnOnce()) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calls");
    let mut strace = Command::new("strace")
        .args(["-f", "-c", "-U", "calls,name", "-o"])
        .arg(&file)
        .args(["-p", &id.to_string()])
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace, which is installed as its Debian package");
    let mut said = BufReader::new(strace.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("attached") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "strace ended");
    }
    run();
    let own = Pid::from_raw(strace.id() as i32).unwrap();
    kill_process(own, Signal::INT).unwrap();
    // The output at the end must be read.
    std::io::copy(&mut said, &mut std::io::sink()).unwrap();
    strace.wait().unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let total = text.lines().find(|line| line.ends_with(" total"));
    let number = total.and_then(|line| line.split_whitespace().next());
    number.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

/// Returns the smallest number of calls for one of [`TIMES`] round trips, over several runs. Stops early at
/// `enough`.
#[track_caller]
fn fewest(daemon: &Daemon, enough: f64, mut round_trip: impl FnMut()) -> f64 {
    let mut fewest = f64::INFINITY;
    for _ in 0..RUNS {
        let calls = count(daemon.pid(), || (0..TIMES).for_each(|_| round_trip()));
        fewest = fewest.min(calls as f64 / TIMES as f64);
        if fewest <= enough {
            break;
        }
    }
    fewest
}

/// Calls that belong to no message: strace's start and end, turns of other tasks, timers. One more call for each
/// message would be 1.
const BESIDE: f64 = 0.5;

#[test]
#[ignore = "needs strace"]
fn a_round_trip_of_a_client_alone_is_one_receive_and_one_send() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let calls = fewest(&daemon, 2.0 + BESIDE, || {
        client.read(CONFIG, 0, 8).ok();
    });
    assert!(calls <= 2.0 + BESIDE, "{calls} system calls a read");
    assert!(
        calls >= 2.0,
        "{calls} system calls a read are none of this server"
    );
}

/// Also where a request has more bytes than most.
#[test]
#[ignore = "needs strace"]
fn a_store_of_a_page_is_one_receive_and_one_send() {
    let daemon = Daemon::start();
    let mut driver = Driver::probe(&daemon.only(), Via::Bar);
    let gid = driver.gid();
    let token = driver.register_dmb(0x4000, FIRST_INDEX, gid);
    let request = zpci_request(2, 0, 0, target(token, 0, false, 0), 4096);
    let body = region_write(ZPCI, 16, &request.raw(&[7; 4096]).0);
    let calls = fewest(&daemon, 2.0 + BESIDE, || {
        driver.client.request(command::REGION_WRITE, &body).ok();
    });
    assert!(calls <= 2.0 + BESIDE, "{calls} system calls a store");
}

/// With another client of the function, the wait is a separate call.
#[test]
#[ignore = "needs strace"]
fn a_round_trip_beside_another_client_is_a_wait_a_receive_and_a_send() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let _channel = Client::open(&daemon.channel("ism0"));
    let calls = fewest(&daemon, 3.0 + BESIDE, || {
        client.read(CONFIG, 0, 8).ok();
    });
    assert!(calls <= 3.0 + BESIDE, "{calls} system calls a read");
}

/// Stores that arrive together on the channel are received and answered together.
#[test]
#[ignore = "needs strace"]
fn sixteen_stores_at_once_take_the_calls_of_one() {
    let daemon = Daemon::start();
    let mut driver = Driver::probe(&daemon.only(), Via::Bar);
    let gid = driver.gid();
    let token = driver.register_dmb(0x4000, FIRST_INDEX, gid);
    let mut channel = Client::open(&daemon.channel("ism0"));
    let request = zpci_request(2, 0, 0, target(token, 0, false, 0), 64);
    let body = region_write(ZPCI, 16, &request.raw(&[7; 64]).0);
    let one = |id| message(id, command::REGION_WRITE, 0, &body);
    let batch: Vec<u8> = (0..16).flat_map(one).collect();
    let calls = fewest(&daemon, 3.0 + BESIDE, || {
        channel.wire.send(&batch);
        for id in 0..16 {
            channel.reply_to(id).ok();
        }
    });
    assert!(calls <= 3.0 + BESIDE, "{calls} system calls for 16 stores");
}

/// By the ring, the server makes no system call for a store as long as both sides look.
#[test]
#[ignore = "needs strace"]
fn stores_by_the_ring_take_no_system_calls() {
    // Both sides must have a processor. The server, strace and this thread share the priority, if root runs this.
    let _ = setpriority_process(None, -19);
    // It looks for so long that it never waits.
    let daemon = Daemon::with_arguments(&["--poll-us", "100000"]);
    let mut driver = Driver::probe(&daemon.only(), Via::Bar);
    let gid = driver.gid();
    let token = driver.register_dmb(0x4000, FIRST_INDEX, gid);
    let mut channel = Client::open_ring(&daemon.channel("ism0"));
    let request = zpci_request(2, 0, 0, target(token, 0, false, 0), 64);
    let body = region_write(ZPCI, 16, &request.raw(&[7; 64]).0);
    let calls = fewest(&daemon, BESIDE, || {
        channel.request(command::REGION_WRITE, &body).ok();
    });
    assert!(calls <= BESIDE, "{calls} system calls a store");
}

/// A guest that sixteen moves signal is woken once.
#[test]
#[ignore = "needs strace"]
fn sixteen_signals_at_once_take_one_write_to_an_eventfd() {
    let daemon = Daemon::start();
    let mut driver = Driver::probe(&daemon.only(), Via::Bar);
    let gid = driver.gid();
    let token = driver.register_dmb(0x4000, FIRST_INDEX, gid);
    let mut channel = Client::open(&daemon.channel("ism0"));
    let request = zpci_request(2, 0, 0, target(token, 0, true, 0), 64);
    let body = region_write(ZPCI, 16, &request.raw(&[7; 64]).0);
    let one = |id| message(id, command::REGION_WRITE, 0, &body);
    let batch: Vec<u8> = (0..16).flat_map(one).collect();
    // A wait, a receive, a send, the check of the eventfd, the write, and the wake-up of the watching thread.
    let most = 7.0 + BESIDE;
    let calls = fewest(&daemon, most, || {
        channel.wire.send(&batch);
        for id in 0..16 {
            channel.reply_to(id).ok();
        }
        assert_eq!(driver.irq.wait(), 1);
    });
    assert!(calls <= most, "{calls} system calls for 16 signals");
}
