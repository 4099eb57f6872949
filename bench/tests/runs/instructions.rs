//! Compares the instructions of the hot path, as callgrind counts them, with a recorded count.
//!
//! The count is the same in every run of the same program, even on a loaded machine. The recorded counts
//! (`bench/instructions.json`) belong to one version of rustc. With the same version, a case may differ by 5
//! percent; with another version by no more than half, because compilers differ. `UPDATE_INSTRUCTIONS=1`
//! writes the new counts to the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};
use vfio_user_ism_tests::kept_build::KeptBuild;

/// Largest difference from the recorded count, as a part of it.
const TOLERANCE: f64 = 0.05;
/// Largest difference if another compiler was used.
const OTHER_COMPILER: f64 = 0.5;
/// Functions of `hot-path` in which callgrind counts.
const COUNTED: [&str; 2] = ["hot_path::Peer::carry_out", "hot_path::look_up"];
/// Lengths of two runs. The test uses their difference, so that the set-up does not count.
const TIMES: [u64; 2] = [1000, 3000];

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// Output of `rustc -V`.
    rustc: String,
    /// Instructions for one message of each case.
    instructions: BTreeMap<String, u64>,
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

/// Builds the program in release mode. The build stays in the cache folder.
fn program() -> (PathBuf, KeptBuild) {
    let kept = KeptBuild::open("release").unwrap();
    run(kept
        .cargo()
        .args(["build", "--release", "--locked", "--package", "bench"])
        .args(["--bin", "hot-path"]));
    (kept.target.join("release/hot-path"), kept)
}

/// Returns the instructions of a whole run.
fn instructions(program: &Path, case: &str, times: u64) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("callgrind");
    run(Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .args(COUNTED.map(|function| format!("--toggle-collect=*{function}*")))
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program)
        .args([case, &times.to_string()])
        .env_remove("RUST_LOG"));
    let text = std::fs::read_to_string(&file).unwrap();
    let totals = text.lines().find_map(|line| line.strip_prefix("totals: "));
    totals.expect("callgrind's totals").trim().parse().unwrap()
}

#[test]
#[ignore = "needs valgrind, and builds with --release"]
fn the_hot_path_takes_the_instructions_on_record() {
    let (program, _kept) = program();
    let cases = run(Command::new(&program).arg("--list"));
    let counted: BTreeMap<String, u64> = cases
        .lines()
        .map(|case| {
            let [less, more] = TIMES.map(|times| instructions(&program, case, times));
            (case.to_owned(), (more - less) / (TIMES[1] - TIMES[0]))
        })
        .collect();
    let of = |case: &str| counted[case] as f64;
    let many = of("store-8-of-256") / of("store-8");
    assert!(
        many <= 1.05,
        "one of 256 functions takes {many} times the instructions of one alone"
    );
    for (length, most) in [(8, 0.15), (4096, 0.20)] {
        let (with, without) = (format!("store-{length}-events"), format!("store-{length}"));
        let part = of(&with) / of(&without) - 1.0;
        assert!(
            part <= most,
            "events are {part} of a store of {length} bytes"
        );
    }
    let rustc = run(Command::new("rustc").arg("-V")).trim().to_owned();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.json");
    if std::env::var_os("UPDATE_INSTRUCTIONS").is_some() {
        let record = Record {
            rustc,
            instructions: counted,
        };
        let text = serde_json::to_string_pretty(&record).unwrap() + "\n";
        std::fs::write(path, text).unwrap();
        return;
    }
    let text = std::fs::read_to_string(path).unwrap();
    let record: Record = serde_json::from_str(&text).unwrap();
    let tolerance = if rustc == record.rustc {
        TOLERANCE
    } else {
        println!("counted with {rustc}, on record with {}", record.rustc);
        OTHER_COMPILER
    };
    let names = |counts: &BTreeMap<String, u64>| counts.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&counted), names(&record.instructions), "other cases");
    let mut off = Vec::new();
    for (case, count) in &counted {
        let recorded = record.instructions[case];
        let change = *count as f64 / recorded as f64 - 1.0;
        let told = format!(
            "{case}: {count}, on record {recorded}, {:+.1} %",
            change * 100.0
        );
        println!("{told}");
        if change.abs() > tolerance {
            off.push(told);
        }
    }
    assert!(
        off.is_empty(),
        "if it is meant, record it with UPDATE_INSTRUCTIONS=1:\n{}",
        off.join("\n")
    );
}
