//! Tests of scenarios: a lab with faults keeps its promises, and a failure is reported.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;
use vfio_user_ism_tests::driver::{code, target};
use vfio_user_ism_tests::errno::EIO;
use vfio_user_ism_tests::{Bytes, Driver, Via, program};

use super::running::{BOOT, lab};

/// Runs scenarios. Returns their results.
#[track_caller]
fn results(words: &[&str], code: i32) -> Value {
    let ended = lab(&[words, &["--format", "json"]].concat());
    assert_eq!(ended.code, Some(code), "{}\n{}", ended.stdout, ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.stdout))
}

#[test]
fn the_library_is_listed_and_the_schema_takes_every_scenario() {
    let ended = lab(&["--list-scenarios", "--format", "json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let all: Value = serde_json::from_str(&ended.stdout).unwrap();
    let table = lab(&["--list-scenarios"]).stdout;
    let schema = lab(&["--scenario-schema"]);
    let schema: Value = serde_json::from_str(&schema.stdout).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for scenario in all.as_array().unwrap() {
        assert!(schema.is_valid(scenario), "{scenario}");
        assert!(
            table.contains(scenario["name"].as_str().unwrap()),
            "{table}"
        );
    }
    let wrong =
        serde_json::json!({"schema_version": 1, "name": "x", "shows": "y", "steps": [{"do": {}}]});
    assert!(!schema.is_valid(&wrong));
}

#[test]
fn a_wrong_scenario_is_refused_before_anything_starts() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        file.path(),
        r#"{"schema_version": 1, "name": "x", "shows": "y", "steps": 3}"#,
    )
    .unwrap();
    for (wanted, part) in [
        ("no-such-scenario", "--list-scenarios"),
        (
            file.path().to_str().unwrap(),
            "steps: invalid type: integer",
        ),
    ] {
        let ended = lab(&["--scenario", wanted]);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
        assert_eq!(ended.stdout, "");
    }
}

/// Two runs must have equal results, except for times and counts. `VFIO_USER_ISM_SCENARIOS=all` plays the
/// whole library.
#[test]
#[ignore = "needs QEMU 11.1, the plugin and a Linux guest: run ./test"]
fn the_built_in_scenarios_pass() {
    let wanted = std::env::var("VFIO_USER_ISM_SCENARIOS").unwrap_or_else(|_| "default".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let junit = folder.path().join("junit.xml");
    let found = results(
        &[
            "--scenario",
            &wanted,
            "--repeat",
            "2",
            "--junit",
            junit.to_str().unwrap(),
        ],
        0,
    );
    let scenarios = found["scenarios"].as_array().unwrap();
    assert_eq!(found["passed"], scenarios.len(), "{found:#}");
    assert!(scenarios.len() >= 3, "{found:#}");
    let junit = std::fs::read_to_string(junit).unwrap();
    for scenario in scenarios {
        assert!(
            junit.contains(scenario["name"].as_str().unwrap()),
            "{junit}"
        );
    }
}

/// The scenario must find a switch that loses frames.
#[test]
#[ignore = "needs QEMU 11.1, the plugin and a Linux guest: run ./test"]
fn a_defect_of_the_switch_is_found() {
    let words = ["--scenario", "two-guests-talk", "--lose-frames-after", "40"];
    let found = results(&words, 4);
    let failures = found["scenarios"][0]["failures"].to_string();
    assert!(failures.contains("step 1 (run)"), "{failures}");
}

/// The seed decides the steps, which cause no lasting harm.
#[test]
#[ignore = "needs QEMU 11.1, the plugin and a Linux guest: run ./test"]
fn a_drawn_scenario_is_played_and_named_by_its_seed() {
    let found = results(&["--shake", "3"], 0);
    assert_eq!(found["scenarios"][0]["name"], "shake-3");
    assert_eq!(found["passed"], 1);
}

/// There are four functions: two of each guest, and two spare ones in the caller's folder.
#[test]
#[ignore = "needs QEMU 11.1, the plugin and a Linux guest: run ./test"]
fn functions_of_a_guest_and_spare_ones() {
    let sockets = tempfile::tempdir().unwrap();
    let folder = sockets.path().to_str().unwrap();
    let words = [
        "--functions-per-guest",
        "2",
        "--spare",
        "1",
        "--sockets",
        folder,
        "--run",
    ];
    let command =
        "cat /sys/bus/pci/devices/000[78]:00:00.0/pchid; ls /sys/bus/pci/drivers/ism | grep -c :";
    let ended = lab(&[&words[..], &[command]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stdout, "0x07c0\n0x07c0\n2\n");
    let spare = format!(
        "spare function: socket {folder}/ism2.sock, instruction channel {folder}/ism2.sock.insn"
    );
    assert!(ended.stderr.contains(&spare), "{}", ended.stderr);
}

/// Every kind of check must fail if its condition does not hold.
#[test]
#[ignore = "needs QEMU 11.1, the plugin and a Linux guest: run ./test"]
fn what_does_not_hold_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let one = |name: &str, steps: Value, expect: Value| {
        let path = folder.path().join(format!("{name}.json"));
        let scenario = serde_json::json!({
            "schema_version": 1, "name": name, "shows": "It fails.", "steps": steps, "expect": expect,
        });
        std::fs::write(&path, scenario.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let run = |command: &str| serde_json::json!([{ "do": { "run": { "guest": 0, "command": command } } }]);
    let nothing = serde_json::json!({});
    let serve = serde_json::json!({ "do": { "serve": { "guest": 0, "port": 5000 } } });
    let spoilt = "smcd-tool send --to 127.0.0.1 --port 5000 --bytes 9000 --spoil 77";
    let files = [
        (
            "status",
            one("status", run("echo why; exit 3"), nothing.clone()),
        ),
        (
            "splat",
            one(
                "splat",
                run("echo '<4>WARNING: planted' >/dev/kmsg"),
                nothing.clone(),
            ),
        ),
        (
            "carried",
            one(
                "carried",
                run("true"),
                serde_json::json!({ "carried": [
                    { "guest": 0, "chid": "0x07c1", "moves": { "min": 1 }, "interrupts": {} },
                ]}),
            ),
        ),
        (
            "bytes",
            one(
                "bytes",
                serde_json::json!([serve.clone(), { "do": { "run": { "guest": 0, "command": spoilt } } }]),
                nothing.clone(),
            ),
        ),
        (
            "bound",
            one(
                "bound",
                run("echo 0007:00:00.0 >/sys/bus/pci/drivers/ism/unbind"),
                nothing.clone(),
            ),
        ),
        (
            "rule",
            one(
                "rule",
                run("true"),
                serde_json::json!({ "rules_broken": ["split-block-store"] }),
            ),
        ),
        (
            "leak",
            one(
                "leak",
                serde_json::json!([
                    serve,
                    { "do": { "fault": { "id": "leak", "on": { "command": "UNREG_DMB" }, "do": { "respond": { "code": 4 } } } } },
                    { "do": { "run": { "guest": 0, "command": "smcd-tool send --to 127.0.0.1 --port 5000 --bytes 9000 --require-smcd" } } },
                    { "do": { "unbind": { "guest": 0 } } },
                    { "do": { "bind": { "guest": 0 } } },
                ]),
                nothing.clone(),
            ),
        ),
        (
            "idle-fault",
            one(
                "idle-fault",
                serde_json::json!([
                    { "do": { "fault": { "id": "never", "on": { "command": "REG_DMB" }, "do": "drop-command" } } },
                ]),
                nothing.clone(),
            ),
        ),
        (
            "dead",
            one(
                "dead",
                serde_json::json!([{ "do": { "kill": { "guest": 0 } } }]),
                nothing.clone(),
            ),
        ),
        (
            "late",
            one(
                "late",
                serde_json::json!([{ "within_s": 1, "do": { "run": { "guest": 0, "command": "sleep 100" } } }]),
                nothing,
            ),
        ),
    ];
    let words: Vec<&str> = files
        .iter()
        .flat_map(|(_, path)| ["--scenario", path])
        .collect();
    let found = results(&words, 4);
    let expected = [
        ("status", "exit status 3, expected 0; it printed: why"),
        ("splat", "guest 0: kernel splat: WARNING: planted"),
        ("carried", "CHID 0x07c0, expected 0x07c1"),
        ("bytes", "1 wrong bytes at the server"),
        ("bound", "guest 0 function 0"),
        (
            "rule",
            "rule split-block-store is not broken, but should be",
        ),
        ("leak", "the server still holds dmbs"),
        ("idle-fault", "fault \"never\" never acted"),
        ("dead", "guest 0: its QEMU has ended"),
        ("late", "it did not end within 1 s"),
    ];
    let scenarios = found["scenarios"].as_array().unwrap();
    assert_eq!(scenarios.len(), expected.len());
    for (scenario, (name, part)) in scenarios.iter().zip(expected) {
        assert_eq!(
            (&scenario["name"], &scenario["passed"]),
            (&name.into(), &false.into())
        );
        let failures = scenario["failures"].as_array().unwrap();
        let told = failures
            .iter()
            .any(|failure| failure.as_str().unwrap().contains(part));
        assert!(told, "{part}: {failures:?}");
    }
}

/// Another client breaks a rule at a function that the guest does not have yet.
#[test]
#[ignore = "needs QEMU 11.1, the plugin and a Linux guest: run ./test"]
fn a_rule_that_was_broken_before_the_server_was_killed_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = serde_json::json!({
        "schema_version": 1, "name": "killed", "shows": "A rule is broken, then the server is killed.",
        "lab": { "guests": 1, "functions_per_guest": 2, "plugged": 1 },
        "steps": [{
            "when": { "command": { "guest": 0, "function": 1, "name": "ADD_VLAN_ID", "nth": 1 } },
            "within_s": 900,
            "do": { "server": "kill" },
        }],
        "expect": { "server_ended": true, "lost_functions": [{ "guest": 0 }] },
    });
    let path = folder.path().join("killed.json");
    std::fs::write(&path, scenario.to_string()).unwrap();
    let mut lab = program::command()
        .args(["lab", "--timeout", BOOT, "--format", "json", "--scenario"])
        .arg(&path)
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(lab.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().ends_with("scenario killed: begins")));
    // The lab does not wait for a reader.
    let rest = std::thread::spawn(move || said.map_while(Result::ok).collect::<Vec<_>>());
    // The lab may have other temporary folders, too.
    let parts = std::fs::read_dir(folder.path()).unwrap().flatten();
    let mut sockets = parts.map(|part| part.path().join("ism1.sock"));
    let socket = sockets.find(|socket| socket.exists()).unwrap();
    let mut driver = Driver::probe(&socket, Via::Region);
    driver
        .put(target(0x5555, 0, false, 0), &[1; 8])
        .refused(EIO);
    driver.run(code::ADD_VLAN_ID, Bytes::new().be64(5)).ok();
    let ended = lab.wait_with_output().unwrap();
    let told = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(ended.status.code(), Some(4), "{told}{:?}", rest.join());
    assert!(
        told.contains("ism1: rule unknown-dmb (warn) is broken"),
        "{told}"
    );
}
