//! Tests that every fuzz target runs for a fixed short time, from its kept inputs on, and finds nothing.
//! `fuzz/run` runs them for longer; `$VFIO_USER_ISM_FUZZ_SECONDS` changes the time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use vfio_user_ism_tests::kept_build::KeptBuild;
use vfio_user_ism_tests::program::repository;

/// The folder with the fuzz targets' build, which is kept in the cache folder.
fn built() -> &'static Path {
    static BUILT: OnceLock<(PathBuf, KeptBuild)> = OnceLock::new();
    let (built, _) = BUILT.get_or_init(|| {
        let kept = KeptBuild::open("fuzz").expect("a copy of the checkout");
        let mut build = kept.command(kept.repository.join("fuzz/run"));
        let status = build.arg("--build").status().unwrap();
        assert!(status.success(), "the fuzz targets do not build");
        (kept.target.join("fuzz"), kept)
    });
    built
}

fn run(arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(repository().join("fuzz/run"));
    command.arg("--built").arg(built());
    command.args(arguments).stdin(Stdio::null());
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.success(), text)
}

/// Runs a target, which must get through its kept inputs and beyond.
#[track_caller]
fn fuzz(target: &str) {
    let seconds = std::env::var("VFIO_USER_ISM_FUZZ_SECONDS");
    let seconds = seconds.unwrap_or_else(|_| "5".to_owned());
    let kept = repository().join("fuzz/corpus").join(target);
    let kept = fs::read_to_string(kept.with_extension("hex")).unwrap();
    let kept = kept.lines().count();
    assert!(kept > 2, "{kept} inputs are kept for {target}");
    let (well, line) = run(&["--seconds", &seconds, target]);
    assert!(well, "{line}");
    println!("{}", line.trim_end());
    let runs = line
        .strip_prefix(&format!("{target}: "))
        .and_then(|rest| rest.split_once(" runs, cov: "));
    let runs: usize = runs.expect("a count of runs").0.parse().unwrap();
    assert!(runs > kept, "{line}");
}

#[test]
#[ignore = "builds libFuzzer, which needs a C++ compiler: run ./test"]
fn fuzzing_frames_breaks_nothing() {
    fuzz("frame");
}

#[test]
#[ignore = "builds libFuzzer, which needs a C++ compiler: run ./test"]
fn fuzzing_sessions_breaks_nothing() {
    fuzz("session");
}

#[test]
#[ignore = "builds libFuzzer, which needs a C++ compiler: run ./test"]
fn fuzzing_the_device_breaks_nothing() {
    fuzz("device");
}

#[test]
#[ignore = "builds libFuzzer, which needs a C++ compiler: run ./test"]
fn fuzzing_profiles_breaks_nothing() {
    fuzz("profile");
}

/// Tests that a failing target fails the run and keeps its input. This target fails on purpose.
#[test]
#[ignore = "builds libFuzzer, which needs a C++ compiler: run ./test"]
fn a_fuzz_target_that_fails_is_reported_and_its_input_kept() {
    let folder = repository().join("fuzz/artifacts/planted");
    let _ = fs::remove_dir_all(&folder);
    let (well, line) = run(&["--seconds", "60", "planted"]);
    assert!(!well);
    assert_eq!(
        line,
        "planted: failed; the input is in fuzz/artifacts/planted\n"
    );
    let left = fs::read_dir(&folder).unwrap().next();
    let input = fs::read(left.expect("an input").unwrap().path()).unwrap();
    assert!(input.starts_with(b"ISM"), "{input:?}");
    fs::remove_dir_all(&folder).unwrap();
}
