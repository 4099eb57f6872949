//! Tests that every row of the benchmark runs against the real servers. Times are not checked.

use std::process::Command;

/// Runs the benchmark and returns its output. Its standard error is inherited.
#[track_caller]
fn bench(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(arguments)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_earlier_run_is_compared_with_and_ratios_are_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (earlier, plot) = (at("earlier.json"), at("plot.svg"));
    let only = ["--quick", "--only", "default region-read"];
    std::fs::write(
        &earlier,
        bench(&[&only[..], &["--format", "json"]].concat()),
    )
    .unwrap();
    let more = ["--compare", &earlier, "--plot", &plot];
    let table = bench(&[&only[..], &more].concat());
    assert!(
        table.contains("pinned") && table.contains("p99.9 us"),
        "{table}"
    );
    let compared = table.lines().filter(|line| line.contains("ours / bare"));
    assert_eq!(compared.count(), 1, "{table}");
    let svg = std::fs::read_to_string(&plot).unwrap();
    assert!(svg.contains("REGION_READ of 8 bytes: ours"), "{svg}");
    let told = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["--quick", "--compare", &plot])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(
        told.contains("plot.svg") && told.contains("expected"),
        "{told}"
    );
}

#[test]
fn a_name_that_no_row_has_is_refused_with_the_names_there_are() {
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["--quick", "--only", "REGION"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let names = ["default region-read", "polled multi", "memory", "idle"];
    assert!(names.iter().all(|name| told.contains(name)), "{told}");
    assert!(output.stdout.is_empty());
}

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
    // Each row that began has times of all its servers and at least one comparison.
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
        let [median, p50, p99, p999] =
            ["median_ns", "p50_ns", "p99_ns", "p999_ns"].map(|key| time[key].as_f64().unwrap());
        assert!(
            median > 0.0 && 0.0 < p50 && p50 <= p99 && p99 <= p999,
            "{time}"
        );
    }
    assert!(list("facts").iter().all(|fact| fact["value"].is_f64()));
    assert_eq!(list("facts").len(), 5);
}
