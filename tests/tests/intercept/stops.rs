//! Tests of a QEMU that crashes or hangs at an instruction: the report names it, and the plan goes on after
//! it.
//!
//! The plugin imitates such a QEMU: it kills or stops the real one at a chosen instruction.

use serde_json::Value;
use std::path::Path;
use vfio_user_ism_tests::program::{self, Ended};

/// Seconds without progress after which a guest hangs. A busy machine may stop a guest for some seconds.
const HANGS: &str = "10";

fn broken(defect: &str, arguments: &[&str]) -> Ended {
    let mut command = program::command();
    let hangs = defect.starts_with("hang@");
    let timeout = if hangs { HANGS } else { "100" };
    command.args(["intercept", "--forward", "--timeout", timeout]);
    command.args(["--break", defect]);
    command.args(arguments);
    // QEMU is started again after each stop, and a hang takes time.
    program::finish(command)
}

#[track_caller]
fn report(defect: &str, arguments: &[&str]) -> Value {
    let ended = broken(defect, &[&["--format", "json"], arguments].concat());
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap()
}

/// Returns names and verdicts of the cases with deviations, and the number of correct cases.
fn failures(report: &Value) -> (Vec<(String, String)>, usize) {
    let cases = report["cases"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let bad = cases.iter().filter(|case| case["good"] == false);
    let bad: Vec<_> = bad
        .map(|case| (text(&case["id"]), text(&case["label"])))
        .collect();
    let good = cases.len() - bad.len();
    (bad, good)
}

const ABSENT: [&str; 2] = ["pcistb-space-1", "pcistb-space-3"];

#[track_caller]
fn assert_all_but_these(report: &Value, verdict: &str) {
    let (bad, good) = failures(report);
    let expected: Vec<_> = ABSENT.map(|id| (id.to_owned(), verdict.to_owned())).into();
    assert_eq!(bad, expected);
    assert!(good > 400, "{good}");
}

fn detail<'a>(report: &'a Value, id: &str) -> &'a str {
    let cases = report["cases"].as_array().unwrap();
    let case = cases.iter().find(|case| case["id"] == id).unwrap();
    case["detail"].as_str().unwrap()
}

#[test]
#[ignore = "needs QEMU 11.1 and the plugin: run ./test"]
fn a_qemu_that_crashes_is_started_again_behind_the_instruction() {
    let report = report("crash@pcistb-absent-bar", &[]);
    assert_all_but_these(&report, "crashed");
    let detail = detail(&report, ABSENT[0]);
    assert!(detail.contains("SIGSEGV"), "{detail}");
    assert!(!detail.contains("warning"), "{detail}");
}

#[test]
#[ignore = "needs QEMU 11.1 and the plugin: run ./test"]
fn the_last_words_of_a_qemu_that_aborts_are_quoted() {
    let report = report("abort@pcistb-absent-bar", &[]);
    assert_all_but_these(&report, "crashed");
    let detail = detail(&report, ABSENT[1]);
    assert!(
        detail.contains("SIGABRT") && detail.contains("saying: "),
        "{detail}"
    );
}

#[test]
#[ignore = "needs QEMU 11.1 and the plugin: run ./test"]
fn a_guest_that_hangs_is_started_again_behind_the_instruction() {
    let report = report("hang@pcistb-absent-bar", &[]);
    assert_all_but_these(&report, "hung");
    let detail = detail(&report, ABSENT[0]);
    let words = format!("no further within {HANGS} s");
    assert!(detail.contains(&words), "{detail}");
}

#[test]
#[ignore = "needs QEMU 11.1 and the plugin: run ./test"]
fn a_crash_in_the_set_up_is_a_failure_that_names_the_step() {
    let ended = broken("crash@rpcit", &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let place = "stopped at RPCIT, a step of the set-up";
    assert!(ended.stdout.contains(place), "{}", ended.stdout);
}

#[test]
#[ignore = "needs QEMU 11.1 and the plugin: run ./test"]
fn a_crash_and_a_hang_are_in_the_junit_report() {
    let hung = format!("no further within {HANGS} s");
    for (defect, words) in [("crash", "SIGSEGV"), ("hang", &hung)] {
        let place = format!("{defect}@pcistb-absent-bar");
        let ended = broken(&place, &["--format", "junit", "--only", "space"]);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        for part in ["<testsuites ", "pcistb-space-3", words] {
            assert!(ended.stdout.contains(part), "{part}");
        }
    }
}

/// QEMU's software emulation has no access-register mode, and aborts.
#[test]
#[ignore = "needs QEMU: run ./test"]
fn access_register_mode_is_tried_if_asked_for_and_named_if_not() {
    let only = ["--only", "access-register-pcistb-16*", "--quick"];
    let run = |arguments: &[&str]| {
        let mut command = program::command();
        command.arg("intercept").args(only).args(arguments);
        program::finish(command)
    };
    let left_out = run(&[]);
    assert_eq!(left_out.code, Some(0), "{}", left_out.stderr);
    for words in [
        "not run, such as access-register-pcistb-16",
        "access-register mode",
    ] {
        assert!(left_out.stdout.contains(words), "{}", left_out.stdout);
    }
    let tried = run(&["--access-registers"]);
    assert_eq!(tried.code, Some(1), "{}", tried.stderr);
    let words = "saying: qemu: hardware error: guest switched to unknown asc mode";
    assert!(
        tried.stdout.contains("crashed") && tried.stdout.contains(words),
        "{}",
        tried.stdout
    );
}

#[test]
#[ignore = "needs QEMU 11.1 and the plugin: run ./test"]
fn a_recorded_crash_is_classified_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    let path = Path::to_str(&path).unwrap();
    let first = report("crash@pcistb-absent-bar", &["--record", path]);
    let ended = program::run(["intercept", "--replay", path, "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&ended.stdout).unwrap(), first);
}
