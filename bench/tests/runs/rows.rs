//! Every row of the benchmark runs, against the real servers; nothing is said about time.

use std::process::Command;

#[test]
fn every_row_runs_and_is_printed() {
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["--quick", "--format", "json"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let results: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let list = |key: &str| results[key].as_array().unwrap().clone();
    // Each row that was begun has times of all its servers, and something is compared in it.
    let begun: Vec<&str> = told
        .lines()
        .filter_map(|line| line.strip_prefix("bench: "))
        .collect();
    assert!(begun.len() > 40, "{begun:?}");
    for row in begun.iter().filter(|row| !["memory", "idle"].contains(row)) {
        let named = |key| list(key).iter().filter(|one| one["row"] == *row).count();
        assert!(named("times") >= 2 && named("ratios") >= 1, "{row}");
    }
    for time in list("times") {
        assert!(time["median_ns"].as_f64().unwrap() > 0.0, "{time}");
    }
    assert!(list("facts").iter().all(|fact| fact["value"].is_f64()));
    assert_eq!(list("facts").len(), 5);
}
