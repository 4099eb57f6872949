// SPDX-License-Identifier: GPL-2.0-or-later
//! Tests of forwarding to a server that does not exist, or no longer.

use crate::support::bare::Guest;
use crate::support::forwarded::{DATA, SCRATCH, accesses, forward, run_guest, stores_so_far};
use crate::support::qemu;
use rustix::process::Signal;
use s390x_asm::{Condition, Gr, zpci};
use serde_json::json;
use vfio_user_ism_tests::daemon::Daemon;

/// Builds a guest that stores until the condition code is not 0, then ten times more.
fn until_refused() -> Guest {
    let mut guest = Guest::new();
    guest.enable(8, 0);
    guest.request(Gr::R4, 0, 2, 8);
    guest.code.load_constant(Gr::R5, SCRATCH);
    guest.code.load_constant(Gr::R2, DATA);
    let store = zpci::pcistb(Gr::R4, Gr::R5, 0, Gr::R2);
    let again = guest.code.here();
    guest.code.emit(&store);
    guest.code.brcl(Condition::Equal, again);
    for _ in 0..10 {
        guest.code.emit(&store);
    }
    guest
}

#[track_caller]
fn without_server(act: impl FnOnce(&Daemon) + Send) {
    let server = Daemon::start();
    let run = std::thread::scope(|scope| {
        scope.spawn(|| {
            vfio_user_ism_tests::patience::eventually("the guest stores", || {
                (stores_so_far(&server).len() > 20).then_some(())
            });
            act(&server);
        });
        run_guest(until_refused(), &server)
    });
    let records = accesses(&run);
    let (before, last) = records.split_last_chunk::<11>().unwrap();
    for record in before {
        assert_eq!(record["cc"], 0, "{record}");
    }
    for record in last {
        assert_eq!(
            (&record["cc"], &record["forwarded"]),
            (&json!(3), &json!(true)),
            "{record}"
        );
    }
    let problems: Vec<_> = run
        .lines
        .iter()
        .filter(|line| line["kind"] == "problem")
        .collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    let told = run
        .console
        .lines()
        .filter(|line| line.contains("vfio-user-ism-plugin: "));
    assert_eq!(told.count(), 1, "{}", run.console);
    assert!(
        run.console.contains("its instructions end with cc 3"),
        "{}",
        run.console
    );
}

#[test]
#[ignore = "needs QEMU 11.1: run ./test"]
fn a_killed_server_means_condition_code_3() {
    without_server(|server| server.signal(Signal::KILL));
}

#[test]
#[ignore = "needs QEMU 11.1: run ./test"]
fn a_server_that_stops_answering_means_condition_code_3() {
    without_server(|server| {
        server.signal(Signal::STOP);
    });
}

#[test]
#[ignore = "needs QEMU 11.1: run ./test"]
fn a_channel_that_nobody_serves_stops_qemu_with_a_message() {
    let option = format!(
        "file={},forward=/nowhere/ism.sock.insn",
        crate::support::plugin().display()
    );
    let output = qemu(&["-plugin", &option]);
    assert_ne!(output.code, Some(0));
    let stderr = output.stderr;
    assert!(
        stderr.contains("forward=/nowhere/ism.sock.insn: cannot connect: No such file"),
        "{stderr}"
    );
}

#[test]
#[ignore = "needs QEMU 11.1: run ./test"]
fn a_busy_channel_stops_qemu_with_a_message() {
    let server = Daemon::start();
    let _other = vfio_user_ism_tests::client::Client::open(&server.channel("ism0"));
    let option = format!(
        "file={}{}",
        crate::support::plugin().display(),
        forward(&server.channel("ism0"), 8)
    );
    let output = qemu(&["-plugin", &option]);
    assert_ne!(output.code, Some(0));
    let stderr = output.stderr;
    assert!(stderr.contains("refused VERSION: EBUSY"), "{stderr}");
}
