//! Tests of `vfio-user-ism intercept` with a real QEMU: it finds stock QEMU's faults, writes the same report
//! twice, and reports problems.

use serde_json::Value;
use std::path::{Path, PathBuf};
use vfio_user_ism_tests::program::{self, Ended, repository};

fn intercept(arguments: &[&str]) -> Ended {
    let mut command = program::command();
    command.arg("intercept").args(arguments);
    program::finish(command)
}

#[track_caller]
fn report(arguments: &[&str]) -> Value {
    let ended = intercept(&[&["--format", "json"], arguments].concat());
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}:\n{}", ended.stderr))
}

fn has(case: &Value, verdict: &str) -> bool {
    case["verdicts"]
        .as_array()
        .unwrap()
        .iter()
        .any(|one| one == verdict)
}

/// The QEMU whose faults are known for each case.
const KNOWN: &str = "version 11.1.3";

/// Checks the known faults of QEMU 11.1.3: how it cuts, reverses and refuses block stores.
#[track_caller]
fn check_known_faults(report: &Value) {
    let host = report["environment"]["host"].as_str().unwrap();
    let little = host.contains("little-endian");
    let cases = report["cases"].as_array().unwrap();
    let lengths = cases.iter().filter(|case| case["group"] == "pcistb-length");
    for case in lengths.filter(|case| (1..=4096).contains(&case["length"].as_u64().unwrap())) {
        let length = case["length"].as_u64().unwrap();
        if length > 8 && length <= 128 && length % 8 == 0 {
            let label = case["label"].as_str().unwrap();
            assert!(
                label.starts_with(&format!("split {}x8", length / 8)),
                "{case}"
            );
            assert_eq!(has(case, "reversed"), little, "{case}");
        } else {
            assert_eq!(
                case["verdicts"],
                serde_json::json!(["refused-wrongly"]),
                "{case}"
            );
        }
    }
}

#[test]
fn what_stock_qemu_does_to_stores_is_found_in_a_recorded_run() {
    // These hold on a little-endian and on a big-endian host.
    for name in [
        "stock-qemu-11.1.3.json",
        "stock-qemu-11.1.2-big-endian.json",
    ] {
        let recording = repository().join("intercept/tests/data").join(name);
        let ended = intercept(&["--replay", recording.to_str().unwrap(), "--format", "json"]);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        check_known_faults(&serde_json::from_str(&ended.stdout).unwrap());
    }
}

/// Loads, plain stores and the interrupt work in every QEMU; the faults belong to one version.
#[test]
#[ignore = "needs QEMU: run ./test"]
fn what_this_qemu_does_is_found() {
    let report = report(&[]);
    let cases = report["cases"].as_array().unwrap();
    let plain = |case: &&Value| case["group"] == "pcistg" || case["group"] == "pcilg";
    for case in cases.iter().filter(plain) {
        assert!(has(case, "as-specified") || has(case, "not-run"), "{case}");
    }
    let raised = |case: &Value| {
        let guest = case["guest"].as_str().unwrap();
        guest.contains("adapter interrupt 0x98000000")
    };
    assert!(cases.iter().any(raised), "no interrupt was taken");
    let executor = report["environment"]["executor"].as_str().unwrap();
    if executor.contains(KNOWN) {
        check_known_faults(&report);
    }
}

fn baselines() -> PathBuf {
    repository().join("intercept/baselines")
}

/// A run selects the baseline for its byte order from a folder. The recordings have a part of the plan, and
/// each of their cases agrees with its baseline.
#[test]
fn recordings_of_both_byte_orders_find_their_baselines() {
    let recordings = repository().join("intercept/tests/data");
    let (little, big) = ("11.1.3-little", "11.1.2-big");
    for (recording, own, other) in [
        ("stock-qemu-11.1.3.json", little, big),
        ("stock-qemu-11.1.2-big-endian.json", big, little),
    ] {
        let recording = recordings.join(recording);
        let file = |order: &str| format!("debian-qemu-{order}-endian.json");
        let replay = |baseline: &Path| {
            let paths = [&recording, baseline].map(|path| path.to_str().unwrap());
            intercept(&["--replay", paths[0], "--baseline", paths[1]])
        };
        let stderr = replay(&baselines()).stderr;
        let chosen = format!("{}, of QEMU emulator version 11.1.", file(own));
        assert!(stderr.contains(&chosen), "{stderr}");
        let counts = stderr
            .lines()
            .find(|line| line.starts_with("against the baseline: "));
        let counts = counts.expect("counts").split(": ").nth(1).unwrap();
        assert!(
            counts.ends_with(" gone") && !counts.contains(','),
            "{counts}"
        );
        assert!(!stderr.contains("another kind of host"), "{stderr}");

        let stderr = replay(&baselines().join(file(other))).stderr;
        assert!(stderr.contains("another kind of host"), "{stderr}");

        let none = tempfile::tempdir().unwrap();
        let ended = replay(none.path());
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("it has: nothing"), "{}", ended.stderr);
    }
    let folder = baselines();
    let ended = intercept(&["--baseline", folder.to_str().unwrap(), "--write-baseline"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("is a folder"), "{}", ended.stderr);
}

/// The baseline agrees with the QEMU that it belongs to. For another QEMU, every difference is named.
#[test]
#[ignore = "needs QEMU: run ./test"]
fn the_baseline_of_the_repository_holds() {
    // The run selects the one for this byte order.
    let ended = intercept(&["--baseline", baselines().to_str().unwrap()]);
    // Lines before it may name instructions at which QEMU crashed.
    let unchanged = ended
        .stderr
        .ends_with("nothing changed against the baseline\n");
    let expected = if unchanged { 0 } else { 1 };
    assert_eq!(ended.code, Some(expected), "{}", ended.stderr);
    assert!(!ended.stderr.is_empty(), "nothing is said of the baseline");
    if ended.stdout.contains(KNOWN) {
        assert!(unchanged, "{}", ended.stderr);
    }
}

#[test]
#[ignore = "needs QEMU: run ./test"]
fn two_runs_and_a_replay_are_equal_apart_from_times() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (recorded, page) = (path("run.json"), path("page.html"));
    let mut first = report(&["--record", &recorded, "--html", &page]);
    let mut second = report(&[]);
    let replayed = report(&["--replay", &recorded]);
    assert_eq!(replayed, first, "a replay classifies the same");
    for report in [&mut first, &mut second] {
        report.as_object_mut().unwrap().remove("times").unwrap();
    }
    assert_eq!(first, second);
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.contains("<svg") && text.ends_with("</html>\n"));
}

#[test]
#[ignore = "needs QEMU: run ./test"]
fn a_random_plan_names_its_seed() {
    let report = report(&["--random", "50", "--seed", "11"]);
    assert_eq!(
        (&report["seed"], &report["plan"]),
        (&11.into(), &"random".into())
    );
    assert_eq!(report["cases"].as_array().unwrap().len(), 50);
}

#[test]
#[ignore = "needs QEMU: run ./test"]
fn a_qemu_that_ends_early_is_quoted() {
    let ended = intercept(&["--qemu-arg", "-no-such-flag"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("-no-such-flag: invalid option"),
        "{}",
        ended.stderr
    );
}

#[test]
#[ignore = "needs QEMU: run ./test"]
fn a_guest_that_does_not_end_is_given_up_with_its_logs_kept() {
    let folder = tempfile::tempdir().unwrap();
    let keep: PathBuf = folder.path().join("kept");
    let ended = intercept(&[
        "--qemu-arg",
        "-S",
        "--timeout",
        "1",
        "--keep",
        keep.to_str().unwrap(),
    ]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("the guest did not end within 1 s; the probe did not start"),
        "{}",
        ended.stderr
    );
    for name in [
        "qemu.log",
        "server.log",
        "probe.elf",
        "events.jsonl",
        "memory.dump",
    ] {
        assert!(keep.join(name).is_file(), "{name}");
    }
}

/// A guest that waits counts as hung only if it makes no progress.
#[test]
#[ignore = "needs QEMU: run ./test"]
fn a_guest_that_comes_further_may_take_longer_than_the_timeout() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.json");
    // Each case waits a second for an interrupt that nothing raises. A busy machine may stop the guest for some
    // seconds.
    let cases: Vec<Value> = (0..12)
        .map(|number| {
            serde_json::json!({
                "id": format!("wait-{number}"), "group": "wait", "instruction": "pcilg", "space": 2, "length": 8,
                "await-interrupt": true,
            })
        })
        .collect();
    let plan = serde_json::json!({ "schema-version": 1, "name": "waits", "cases": cases });
    std::fs::write(&path, plan.to_string()).unwrap();
    let report = report(&["--plan", path.to_str().unwrap(), "--timeout", "10"]);
    let cases = report["cases"].as_array().unwrap();
    assert!(cases.iter().all(|case| has(case, "lost")), "{report}");
}

#[test]
fn a_plan_that_cannot_be_used_is_told_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.json");
    std::fs::write(&path, r#"{"schema-version":1,"name":"mine","cases":[{"id":"a","group":"g","instruction":"pcistb","length":9000}]}"#).unwrap();
    let ended = intercept(&["--plan", path.to_str().unwrap()]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended
            .stderr
            .contains("at cases[0].length: is 9000, pcistb takes 0 to 8191"),
        "{}",
        ended.stderr
    );
}
