//! Tests of the sandbox from outside: the kernel's description of every thread that serves.
//! `server/tests/sandbox.rs` tests the forbidden actions.

use std::collections::BTreeMap;
use std::fs;

use vfio_user_ism_tests::program::run;
use vfio_user_ism_tests::{Daemon, Driver, Via};

/// Returns `Seccomp`, `NoNewPrivs` and the number of filters of every thread, by thread name and id.
#[track_caller]
fn threads(daemon: &Daemon) -> BTreeMap<String, [u32; 3]> {
    let tasks = fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap();
    let of = |task: fs::DirEntry| {
        let status = fs::read_to_string(task.path().join("status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name}"))
                .trim()
                .to_owned()
        };
        let number = |name| field(name).parse().unwrap();
        let numbers = [
            number("Seccomp:"),
            number("NoNewPrivs:"),
            number("Seccomp_filters:"),
        ];
        (format!("{} {}", field("Name:"), field("Pid:")), numbers)
    };
    tasks.map(|task| of(task.unwrap())).collect()
}

#[test]
fn every_thread_is_sandboxed_before_the_first_client() {
    let without_client_memory = serde_json::json!({ "payload_carrier": "appended" });
    for daemon in [
        Daemon::start(),
        Daemon::with_profile("pair"),
        Daemon::with_device(&without_client_memory),
    ] {
        let threads = threads(&daemon);
        assert!(threads.len() >= 2, "main thread and workers: {threads:?}");
        for (name, [seccomp, no_new_privileges, filters]) in &threads {
            assert_eq!((*seccomp, *no_new_privileges), (2, 1), "{name}");
            let own = u32::from(name.starts_with("client-memory"));
            assert!(*filters >= 2 + own, "{name}: {filters}");
        }
        let log = daemon.stderr();
        assert!(
            log.contains("sandboxed") && log.contains("landlock"),
            "{log}"
        );
    }
}

#[test]
fn a_thread_for_client_memory_is_there_only_where_a_profile_takes_it() {
    for (carrier, expected) in [("auto", 1), ("process", 1), ("appended", 0), ("iova", 0)] {
        let device = serde_json::json!({ "payload_carrier": carrier });
        let daemon = Daemon::with_device(&device);
        let names = threads(&daemon).into_keys();
        let count = names
            .filter(|name| name.starts_with("client-memory"))
            .count();
        assert_eq!(count, expected, "{carrier}");
    }
}

#[test]
fn the_sandbox_can_be_switched_off_and_the_log_says_so() {
    let daemon = Daemon::with_arguments(&["--sandbox", "off"]);
    let threads = threads(&daemon);
    assert!(
        threads.values().all(|[seccomp, ..]| *seccomp == 0),
        "{threads:?}"
    );
    assert!(
        daemon.stderr().contains("no sandbox"),
        "{}",
        daemon.stderr()
    );
    drop(Driver::probe(&daemon.only(), Via::Region));
    assert_eq!(daemon.stop().ended.code, Some(0));
}

#[test]
fn the_sandbox_can_be_required() {
    let daemon = Daemon::with_arguments(&["--sandbox", "required"]);
    drop(Driver::probe(&daemon.only(), Via::Region));
    let stopped = daemon.stop();
    assert_eq!(stopped.ended.code, Some(0), "{}", stopped.ended.stderr);
    assert_eq!(stopped.function("ism0")["clients"], 1);
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_anything_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    let socket = path.to_str().unwrap();
    let ended = run(["--socket-path", socket, "--report", "/nowhere/report"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("/nowhere/report"), "{}", ended.stderr);
    assert!(ended.stdout.is_empty() && !path.exists());
}
