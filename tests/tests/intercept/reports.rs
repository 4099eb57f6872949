//! Tests of reports on recorded runs: several formats at once, a part of the cases, with a baseline, side by
//! side. They need no QEMU.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use vfio_user_ism_tests::program::{self, Ended, repository};

fn recorded() -> String {
    let path = repository().join("intercept/tests/data/stock-qemu-11.1.3.json");
    path.to_str().unwrap().to_owned()
}

fn replay(arguments: &[&str]) -> Ended {
    let recorded = recorded();
    program::run(
        ["intercept", "--replay", &recorded]
            .iter()
            .chain(arguments)
            .copied(),
    )
}

fn cases(ended: &Ended) -> Vec<Value> {
    let report: Value = serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", ended.stderr));
    report["cases"].as_array().unwrap().clone()
}

/// Writes the recording of another QEMU: the stock one with the changes of `change`.
fn altered(folder: &Path, name: &str, change: impl FnOnce(&mut Value)) -> PathBuf {
    let mut recording: Value =
        serde_json::from_str(&fs::read_to_string(recorded()).unwrap()).unwrap();
    recording["environment"]["executor"] = format!("QEMU emulator version {name}").into();
    change(&mut recording);
    let path = folder.join(name);
    fs::write(&path, recording.to_string()).unwrap();
    path
}

/// Turns a successful load into a refused one.
fn refuse(recording: &mut Value) {
    let cases = recording["plan"]["cases"].as_array().unwrap().clone();
    let outcomes = recording["outcomes"].as_array_mut().unwrap();
    let worked = cases
        .iter()
        .zip(outcomes)
        .find(|(case, outcome)| case["group"] == "pcilg" && outcome["executed"] == true);
    worked.unwrap().1["exception"] = 6.into();
}

#[test]
fn the_report_is_written_in_every_form_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let names = ["x.xml", "x.json", "x.tap", "x.html"].map(path);
    let [junit, json, tap, html] = &names;
    let ended = replay(&[
        "--junit", junit, "--json", json, "--tap", tap, "--html", html,
    ]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("what became of the others"),
        "the table"
    );
    let begins = ["<?xml", "{", "TAP version 14", "<!doctype html>"];
    for (name, begin) in names.iter().zip(begins) {
        assert!(
            fs::read_to_string(name).unwrap().starts_with(begin),
            "{name}"
        );
    }
}

#[test]
fn the_facts_behind_a_verdict_are_data_as_well_as_words() {
    let cases = cases(&replay(&["--format", "json"]));
    let named = |id: &str| cases.iter().find(|case| case["id"] == id).unwrap();
    let split = named("pcistb-bar0-length-16");
    assert_eq!(
        split["details"],
        serde_json::json!([
            {"kind": "split", "store": true, "length": 16, "pieces": 2},
            {"kind": "reversed", "unit": 8},
        ])
    );
    assert_eq!(
        split["detail"],
        "one store of 16 bytes became 2; bytes reversed in units of 8"
    );
    for case in &cases {
        let facts = case["details"].as_array().map_or(0, Vec::len);
        let words = case["detail"].as_str().unwrap_or_default();
        assert_eq!(facts == 0, words.is_empty(), "{case}");
    }
}

#[test]
fn cases_are_chosen_by_group_pattern_and_verdict() {
    let all = cases(&replay(&["--format", "json"]));
    let split = cases(&replay(&["--only", "split", "--format", "json"]));
    let has = |case: &Value, name: &str| {
        case["verdicts"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one == name)
    };
    assert!(!split.is_empty() && split.iter().all(|case| has(case, "split")));
    let rest = cases(&replay(&["--skip", "split", "--format", "json"]));
    assert_eq!(rest.len() + split.len(), all.len());
}

#[test]
fn a_plan_is_listed_and_cut_without_a_qemu() {
    let list =
        |arguments: &[&str]| program::run(["intercept", "--list"].iter().chain(arguments).copied());
    let all = list(&[]).stdout;
    let part = list(&["--only", "pcilg", "--skip", "*-length-1"]).stdout;
    assert!(all.lines().count() > 400 && part.lines().count() > 10);
    for line in part.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(
            words[1] == "pcilg" && !words[0].ends_with("-length-1"),
            "{line}"
        );
    }
    let plan = program::run(["intercept", "--only", "rpcit", "--dump-plan"]).stdout;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    assert!(
        plan["cases"]
            .as_array()
            .unwrap()
            .iter()
            .all(|case| case["group"] == "rpcit")
    );
    let wrong = list(&["--only", "pcistv*"]);
    assert_eq!(wrong.code, Some(2));
    assert!(
        wrong.stderr.contains(r#"--only "pcistv*" matches no case"#),
        "{}",
        wrong.stderr
    );
}

#[test]
fn a_random_plan_of_more_cases_than_fit_is_refused() {
    let ended = program::run(["intercept", "--random", "100000", "--list"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("8192"), "{}", ended.stderr);
    let ended = program::run(["intercept", "--random", "8192", "--list"]);
    assert_eq!(ended.stdout.lines().count(), 8192, "{}", ended.stderr);
}

#[test]
fn what_makes_a_run_fail_can_be_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let baseline = folder.path().join("baseline.json");
    let baseline = baseline.to_str().unwrap();
    let written = replay(&["--baseline", baseline, "--write-baseline"]);
    assert_eq!(written.code, Some(0), "{}", written.stderr);
    let worse = altered(folder.path(), "worse", refuse);
    let against = |recording: &str, fail_on: &str| {
        program::run([
            "intercept",
            "--replay",
            recording,
            "--baseline",
            baseline,
            "--fail-on",
            fail_on,
        ])
    };
    let codes = |recording: &str| {
        ["changed", "worse", "any"].map(|fail_on| against(recording, fail_on).code.unwrap())
    };
    assert_eq!(codes(&recorded()), [0, 0, 1], "equal");
    assert_eq!(codes(worse.to_str().unwrap()), [1, 1, 1], "worse");
    // In the other direction, the same change is an improvement.
    replay_to(&worse, &["--baseline", baseline, "--write-baseline"]);
    assert_eq!(codes(&recorded()), [1, 0, 1], "better");
    let alone = replay(&["--fail-on", "worse"]);
    assert_eq!(alone.code, Some(2));
    assert!(
        alone.stderr.contains("name one with --baseline"),
        "{}",
        alone.stderr
    );
}

fn replay_to(path: &Path, arguments: &[&str]) -> Ended {
    program::run(
        ["intercept", "--replay", path.to_str().unwrap()]
            .iter()
            .chain(arguments)
            .copied(),
    )
}

#[test]
fn names_and_groups_choose_from_a_recorded_run_too() {
    let chosen = cases(&replay(&["--only", "pcilg", "--format", "json"]));
    assert!(!chosen.is_empty());
    assert!(chosen.iter().all(|case| case["group"] == "pcilg"));
    let rest = cases(&replay(&["--skip", "pcilg", "--format", "json"]));
    assert!(rest.iter().all(|case| case["group"] != "pcilg"));
    for flag in ["--only", "--skip"] {
        let ended = replay(&[flag, "sotre"]);
        assert_eq!(ended.code, Some(2), "{}", ended.stdout);
        assert!(ended.stderr.contains("matches no case"), "{}", ended.stderr);
    }
}

#[test]
fn several_recordings_stand_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let worse = altered(folder.path(), "99.1", refuse);
    let page = folder.path().join("page.html");
    let ended = replay(&[
        "--replay",
        worse.to_str().unwrap(),
        "--html",
        page.to_str().unwrap(),
    ]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    // The classification decides the verdict; the table shows that the answers differ.
    let differs =
        |line: &&str| line.contains("as-specified") && line.contains("(specification exception)");
    let rows: Vec<&str> = ended.stdout.lines().filter(differs).collect();
    assert!(
        rows.len() == 1 && rows[0].contains(" 1: "),
        "{}",
        ended.stdout
    );
    let page = fs::read_to_string(page).unwrap();
    assert!(page.find("What differs").unwrap() < page.find("What is the same").unwrap());
    let ended = replay(&["--replay", worse.to_str().unwrap(), "--baseline", "x"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended
            .stderr
            .contains("--baseline takes one QEMU or recording"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_run_that_cannot_be_judged_is_an_error_in_junit_too() {
    let folder = tempfile::tempdir().unwrap();
    let junit = folder.path().join("x.xml");
    let judged = |recording: &Path, told: &str| {
        let ended = replay_to(recording, &["--junit", junit.to_str().unwrap()]);
        assert_eq!(ended.code, Some(3), "{}{}", ended.stdout, ended.stderr);
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
        let text = fs::read_to_string(&junit).unwrap();
        assert!(
            text.contains(r#"errors="1""#) && text.contains(told),
            "{text}"
        );
        fs::remove_file(&junit).unwrap();
    };
    // Fences are missing.
    let lost = altered(folder.path(), "lost", |recording| {
        recording["pieces"].as_array_mut().unwrap().clear();
    });
    judged(&lost, "fences");
    // A guest without zPCI instructions, or one that never ran.
    let idle = repository().join("intercept/tests/data/linux-ism-qemu-11.1.3.json");
    let mut idle: Value = serde_json::from_str(&fs::read_to_string(idle).unwrap()).unwrap();
    idle["plan"]["cases"] = serde_json::json!([]);
    idle["outcomes"] = serde_json::json!([]);
    let path = folder.path().join("idle");
    fs::write(&path, idle.to_string()).unwrap();
    judged(&path, "no instruction was executed");
}

#[test]
fn a_qemu_that_cannot_be_tested_has_an_exit_code_of_its_own() {
    let missing = ["intercept", "--qemu", "/nowhere/qemu", "--format", "junit"];
    let ended = program::run(missing);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(
        ended.stdout.contains(r#"errors="1""#) && ended.stdout.contains("/nowhere/qemu"),
        "{}",
        ended.stdout
    );
    let ended = program::run(missing.iter().chain(&["--cannot-run-status", "125"]));
    assert_eq!(ended.code, Some(125), "{}", ended.stderr);
    // An error on the command line is reported for any QEMU.
    let ended = program::run([
        "intercept",
        "--cannot-run-status",
        "125",
        "--plan",
        "/nowhere/plan",
    ]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
}

#[test]
fn help_is_grouped_and_has_examples() {
    let help = program::run(["intercept", "--help"]).stdout;
    for part in [
        "What to test:",
        "What to execute:",
        "Reports:",
        "Comparing:",
        "Examples:",
        "git bisect run",
        "Exit codes:",
    ] {
        assert!(help.contains(part), "{part} in {help}");
    }
}
