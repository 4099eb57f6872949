//! Tests of `vfio-user-ism intercept --forward`: with the forwarding plugin, stock QEMU passes.

use serde_json::Value;
use std::collections::BTreeMap;
use vfio_user_ism_tests::program::{self, Ended};

fn intercept(arguments: &[&str]) -> Ended {
    program::run(["intercept", "--forward"].iter().chain(arguments).copied())
}

#[test]
#[ignore = "needs QEMU 11.1 and the plugin: run ./test"]
fn every_instruction_reaches_the_device_as_the_guest_executed_it() {
    let ended = intercept(&["--format", "json"]);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, ended.stdout);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let executor = report["environment"]["executor"].as_str().unwrap();
    assert!(
        executor.ends_with("with the forwarding plugin"),
        "{executor}"
    );
    assert_eq!(report["facts"]["carrier"], "block", "{}", report["facts"]);
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for case in report["cases"].as_array().unwrap() {
        *counts.entry(case["label"].as_str().unwrap()).or_default() += 1;
    }
    assert_eq!(
        counts.keys().copied().collect::<Vec<_>>(),
        ["as-specified", "not-run", "whole"],
        "{counts:?}"
    );
    // The cases for a QEMU without block stores, for KVM, and of the measurement block are not run.
    assert!(
        counts["whole"] > 250 && counts["not-run"] < 80,
        "{counts:?}"
    );
}

/// Guest and device see the same, whether moves wait or not.
#[test]
#[ignore = "needs QEMU 11.1 and the plugin: run ./test"]
fn verdicts_are_the_same_when_moves_are_posted() {
    let verdicts = |moves: &str, plan: &[&str]| {
        let ended = intercept(&[&["--moves", moves, "--format", "json"][..], plan].concat());
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, ended.stdout);
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        let cases = report["cases"].as_array().unwrap().iter();
        cases
            .map(|case| (case["id"].clone(), case["label"].clone()))
            .collect::<Vec<_>>()
    };
    for plan in [&[][..], &["--random", "300", "--seed", "4"]] {
        let waited = verdicts("waited", plan);
        assert!(waited.len() >= 300, "{}", waited.len());
        assert_eq!(verdicts("posted", plan), waited);
        assert_eq!(verdicts("data", plan), waited);
    }
}

#[test]
#[ignore = "needs QEMU 11.1 and the plugin: run ./test"]
fn random_plans_pass_when_forwarded() {
    for seed in ["1", "2", "3"] {
        let ended = intercept(&["--random", "300", "--seed", seed]);
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, ended.stdout);
    }
}

#[test]
#[ignore = "needs QEMU 11.1 and the plugin: run ./test"]
fn a_strict_function_is_forwarded_by_its_own_rules() {
    let profile = program::profile("strict.json");
    let ended = intercept(&["--profile", profile.to_str().unwrap()]);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, ended.stdout);
}

#[test]
#[ignore = "needs QEMU 11.1 and the plugin: run ./test"]
fn a_deliberate_end_of_qemu_is_told() {
    for (defect, part) in [
        ("crash@pcistb-absent-bar", "SIGSEGV"),
        ("abort@pcilg:nth=9", "deliberate assertion failed at pcilg"),
        (
            "frob",
            "there is no such defect; break=list prints all of them",
        ),
    ] {
        let ended = intercept(&["--break", defect]);
        assert_ne!(ended.code, Some(0), "{defect}: {}", ended.stdout);
        let all = format!("{}{}", ended.stdout, ended.stderr);
        assert!(all.contains(part), "{defect}: {all}");
    }
}

#[test]
#[ignore = "needs QEMU 11.1 and the plugin: run ./test"]
fn the_deliberate_defects_are_listed() {
    let ended = intercept(&["--break", "list"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for part in [
        "--break takes one of these defects:\n  crash@PLACE",
        "\nchecks:\n",
        "\n  split-8 ",
    ] {
        assert!(ended.stdout.contains(part), "{}", ended.stdout);
    }
    for part in ["Could not load", "vfio-user-ism-plugin"] {
        assert!(!ended.stdout.contains(part), "{}", ended.stdout);
    }
}

#[test]
fn a_missing_plugin_is_named() {
    let ended = program::run(["intercept", "--forward=/nowhere/plugin.so"]);
    assert_eq!(ended.code, Some(3));
    let part = "no plugin /nowhere/plugin.so: build it with";
    assert!(ended.stderr.contains(part), "{}", ended.stderr);
}
