//! Tests of the end of a run: signals, summary, report, exit codes.

use rustix::process::Signal;
use serde_json::Value;
use vfio_user_ism_tests::driver::{FIRST_INDEX, target};
use vfio_user_ism_tests::{Daemon, Driver, Via};

/// Breaks one rule whose default severity is `warn`, and no other rule.
fn misbehave(daemon: &Daemon) {
    let mut driver = Driver::probe(&daemon.only(), Via::Bar);
    let gid = driver.gid();
    let token = driver.register_dmb(4096, FIRST_INDEX, gid);
    driver.put(target(token, 0, true, 64), &[1; 16]).ok();
    driver.put(target(token, 0, false, 80), &[1; 16]).ok();
}

#[test]
fn sigterm_and_sigint_end_the_server_with_a_summary() {
    for signal in [Signal::TERM, Signal::INT] {
        let daemon = Daemon::start();
        misbehave(&daemon);
        daemon.signal(signal);
        let stopped = daemon.wait();
        assert_eq!((stopped.ended.code, stopped.ended.signal), (Some(0), None));
        let summary = &stopped.ended.stderr;
        assert!(
            summary.contains("data-after-signal") && summary.contains("1 violations"),
            "{summary}"
        );
    }
}

#[test]
fn a_signal_ends_the_server_while_a_client_is_connected() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    client.reset();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().ended.code, Some(0));
    client.wire.expect_closed();
}

#[test]
fn the_report_counts_by_rule_path_and_function() {
    let daemon = Daemon::with_profile("pair");
    let mut driver = Driver::attach(&daemon.socket("ism1"), Via::Region);
    driver.gid();
    driver.client.write(2, 8, &[0; 8]).ok();
    drop(driver);
    let stopped = daemon.stop();
    assert_eq!(
        (
            &stopped.report["schema_version"],
            &stopped.report["profile"]
        ),
        (&1.into(), &"pair".into())
    );
    let function = stopped.function("ism1");
    assert_eq!(
        (&function["clients"], &function["commands"]),
        (&1.into(), &1.into())
    );
    let path = |name| {
        let paths = function["paths"].as_array().unwrap();
        paths.iter().find(|path| path["path"] == name).unwrap()
    };
    // READ_GID is a header, and two loads of the response.
    assert_eq!(
        (&path("region")["stores"], &path("region")["loads"]),
        (&1.into(), &2.into())
    );
    assert_eq!(
        (&path("bar")["stores"], &path("bar")["stored_bytes"]),
        (&1.into(), &8.into())
    );
    assert_eq!(stopped.function("ism0")["clients"], 0);
    assert_eq!(stopped.report["violations"], 0);
    assert_eq!(stopped.report["worst_severity"], Value::Null);
}

#[test]
fn violations_make_the_exit_code_1_from_a_severity_on() {
    for (fail_on, code) in [("never", 0), ("note", 1), ("warn", 1), ("reject", 0)] {
        let daemon = Daemon::with_arguments(&["--fail-on", fail_on]);
        misbehave(&daemon);
        let stopped = daemon.stop();
        assert_eq!(stopped.ended.code, Some(code), "{fail_on}");
        assert_eq!(stopped.report["worst_severity"], "warn");
    }
    let clean = Daemon::with_arguments(&["--fail-on", "note"]);
    drop(Driver::probe(&clean.only(), Via::Bar));
    assert_eq!(clean.stop().ended.code, Some(0));
}

#[test]
fn events_are_numbered_json_lines() {
    let daemon = Daemon::start();
    misbehave(&daemon);
    let stopped = daemon.stop();
    for (event, seq) in stopped.events.iter().zip(1..) {
        assert_eq!(
            (&event["schema_version"], &event["seq"]),
            (&1.into(), &seq.into())
        );
        assert!(
            event["event"].is_string() && event["function"] == "ism0" && event["time_us"].is_u64()
        );
    }
    let names: Vec<_> = stopped
        .events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        (names[0], *names.last().unwrap()),
        ("connected", "disconnected")
    );
    for name in [
        "store",
        "load",
        "command",
        "data-move",
        "interrupt",
        "violation",
    ] {
        assert!(names.contains(&name), "{name}");
    }
}

#[test]
fn events_stop_at_their_limit() {
    let daemon = Daemon::with_arguments(&["--events-limit", "2000"]);
    misbehave(&daemon);
    let stopped = daemon.stop();
    let last = stopped.events.last().unwrap();
    assert_eq!(
        (&last["event"], &last["limit"]),
        (&"truncated".into(), &2000.into())
    );
    let length: usize = stopped
        .events
        .iter()
        .map(|event| event.to_string().len())
        .sum();
    assert!(length < 3000, "{length}");
}

#[test]
fn files_that_cannot_be_written_are_exit_code_3() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    let ended = vfio_user_ism_tests::program::run([
        "--socket-path",
        path.to_str().unwrap(),
        "--events",
        "/nowhere/events",
    ]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("/nowhere/events"));
}

#[test]
fn the_log_may_be_json() {
    let daemon = Daemon::with_arguments(&["--log-format", "json"]);
    misbehave(&daemon);
    let stopped = daemon.stop();
    let violation = stopped
        .ended
        .stderr
        .lines()
        .find(|line| line.contains("data-after-signal"))
        .unwrap();
    let line: Value = serde_json::from_str(violation).unwrap();
    assert_eq!(line["level"], "WARN");
}
