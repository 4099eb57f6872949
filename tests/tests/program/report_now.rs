//! Tests of SIGUSR1: the report of a running server, and its figures about leaks.

use rustix::process::Signal;
use serde_json::Value;
use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, IOVA, code, dmb, target};
use vfio_user_ism_tests::patience::eventually;
use vfio_user_ism_tests::{Bytes, Daemon, Driver, Via, program};

/// Asks for a report and waits for it.
#[track_caller]
fn report(daemon: &Daemon, after: u64) -> Value {
    daemon.signal(Signal::USR1);
    eventually("a report", || {
        let text = std::fs::read_to_string(daemon.folder.path().join("report")).ok()?;
        let report: Value = serde_json::from_str(&text).ok()?;
        (report["number"].as_u64()? > after).then_some(report)
    })
}

/// Returns the resources of the process and of `ism0` in a report.
fn held(report: &Value) -> Vec<(&'static str, Value)> {
    let function = &report["functions"][0];
    let mut held: Vec<_> = [
        "connected",
        "channel_connected",
        "dma_maps",
        "guest_files",
        "eventfds",
        "dmbs",
        "sba",
        "ieq",
        "vlans",
    ]
    .map(|name| (name, function[name].clone()))
    .into();
    held.push(("open_descriptors", report["open_descriptors"].clone()));
    held
}

#[test]
fn the_report_on_sigusr1_says_what_is_held_now() {
    let daemon = Daemon::start();
    let idle = report(&daemon, 0);
    assert_eq!(
        (&idle["number"], &idle["violations"]),
        (&1.into(), &0.into())
    );
    let open = idle["open_descriptors"].as_u64().unwrap();
    let mut driver = Driver::probe(&daemon.only(), Via::Channel);
    let gid = driver.gid();
    driver.register_dmb(0x4000, FIRST_INDEX, gid);
    driver
        .run(code::REG_DMB, dmb(IOVA + DMB + 0x10_0000, 0x4000, 33, gid))
        .ok();
    driver.run(code::ADD_VLAN_ID, Bytes::new().be64(5)).ok();
    let busy = report(&daemon, 1);
    let expected: [(&str, Value); 10] = [
        ("connected", true.into()),
        ("channel_connected", true.into()),
        ("dma_maps", 1.into()),
        ("guest_files", 1.into()),
        ("eventfds", 1.into()),
        ("dmbs", 2.into()),
        ("sba", true.into()),
        ("ieq", true.into()),
        ("vlans", 1.into()),
        // Two connections and the eventfd; the memory is mapped, and its descriptor is closed.
        ("open_descriptors", (open + 3).into()),
    ];
    assert_eq!(held(&busy), expected);
    // The client is not disturbed.
    assert_eq!(driver.gid(), gid);
    drop(driver);
    let stopped = daemon.stop();
    assert_eq!(stopped.report["number"], 3);
}

#[test]
fn after_20_binds_and_unbinds_nothing_is_left() {
    let daemon = Daemon::with_profile("pair");
    let mut peer = Driver::probe(&daemon.socket("ism1"), Via::Region);
    let mut driver = Driver::attach(&daemon.socket("ism0"), Via::Channel);
    let (own, other) = (driver.gid(), peer.gid());
    let before = held(&report(&daemon, 0));
    for round in 0..20 {
        driver.register();
        driver
            .run(code::ADD_VLAN_ID, Bytes::new().be64(0x1fff))
            .ok();
        let tokens: Vec<u64> = (0..8)
            .map(|at| {
                let memory = dmb(
                    IOVA + DMB + at * 0x4_0000,
                    0x4000,
                    FIRST_INDEX + at as u32,
                    other,
                );
                driver.run(code::REG_DMB, memory).number()
            })
            .collect();
        for token in &tokens {
            peer.put(target(*token, 0, true, 0), &[round; 32]).ok();
        }
        let bound = report(&daemon, 1 + 2 * u64::from(round));
        assert_eq!(bound["functions"][0]["dmbs"], 8);
        for token in tokens {
            driver.run(code::UNREG_DMB, Bytes::new().be64(token)).ok();
        }
        driver
            .run(code::DEL_VLAN_ID, Bytes::new().be64(0x1fff))
            .ok();
        driver.run(code::UNREG_IEQ, []).ok();
        driver.run(code::UNREG_SBA, []).ok();
        let unbound = report(&daemon, 2 + 2 * u64::from(round));
        assert_eq!(held(&unbound), before, "round {round}");
    }
    assert_ne!(own, other);
}

#[test]
fn after_20_clients_nothing_is_left() {
    let daemon = Daemon::start();
    let before = held(&report(&daemon, 0));
    for _ in 0..20 {
        let mut driver = eventually("the channel is free", || {
            let busy = report(&daemon, 0)["functions"][0]["channel_connected"] == true;
            (!busy).then(|| Driver::probe(&daemon.only(), Via::Channel))
        });
        let gid = driver.gid();
        // QEMU resets the device when it starts. The test does it here, because no next QEMU comes.
        driver.client.reset();
        driver.register();
        driver.register_dmb(0x4000, FIRST_INDEX, gid);
        driver.client.reset();
        drop(driver);
        daemon.wait_until_free();
        eventually("everything is as before", || {
            (held(&report(&daemon, 0)) == before).then_some(())
        });
    }
}

#[test]
fn without_a_file_the_report_goes_to_stderr_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("ism0.sock");
    let mut serve = program::command();
    serve
        .arg("--socket-path")
        .arg(&socket)
        .args(["--ready-fd", "1"]);
    let daemon = Daemon::wait_ready(serve, folder);
    for number in 1..4 {
        daemon.signal(Signal::USR1);
        let line = eventually("a report on stderr", || {
            let stderr = daemon.stderr();
            let lines = stderr.split_inclusive('\n');
            let mut reports = lines.filter(|line| line.starts_with('{') && line.ends_with('\n'));
            reports.nth(number - 1).map(str::to_owned)
        });
        let report: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(report["number"], number);
        assert_eq!(report["functions"][0]["connected"], false);
    }
}

#[test]
fn a_report_file_that_cannot_be_written_disturbs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("ism0.sock");
    let mut serve = program::command();
    serve.arg("--socket-path").arg(&socket);
    serve.args(["--report", "/dev/full", "--ready-fd", "1"]);
    let daemon = Daemon::wait_ready(serve, folder);
    daemon.signal(Signal::USR1);
    eventually("it says so", || {
        let told = daemon.stderr();
        (told.contains("SIGUSR1") && told.contains("/dev/full")).then_some(())
    });
    daemon.client().reset();
}
