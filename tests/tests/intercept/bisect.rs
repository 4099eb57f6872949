//! Tests that the script of docs/ci.md finds the commit that broke a case, despite commits that cannot be
//! tested.

use std::fs;
use std::path::Path;
use std::process::Command;
use vfio_user_ism_tests::program;

/// The builds of a small history's commits: arguments that make a QEMU good, bad, or impossible to test.
const GOOD: &str = "--forward";
const BAD: &str = "--forward --break crash@pcistb-absent-bar";
const MISSING: &str = "--qemu /nowhere/qemu";
const HISTORY: [&str; 6] = [GOOD, GOOD, MISSING, BAD, MISSING, BAD];

#[track_caller]
fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=n", "-c", "user.email=e"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {text}{said}");
    text
}

/// Returns the page's script, with a history of flags instead of sources.
#[track_caller]
fn script() -> String {
    let page = fs::read_to_string(program::repository().join("docs/ci.md")).unwrap();
    let from = page.find("#!/bin/sh").unwrap();
    let script = &page[from..from + page[from..].find("```").unwrap()];
    let build = "make -C build qemu-system-s390x || exit 125";
    let qemu = "--qemu build/qemu-system-s390x";
    assert!(script.contains(build) && script.contains(qemu), "{script}");
    script
        .replace(build, ":")
        .replace(qemu, "$(cat flags)")
        .replace(
            "exec vfio-user-ism",
            &format!("exec {}", program::program().display()),
        )
}

#[test]
#[ignore = "needs QEMU 11.1 and the plugin: run ./test"]
fn git_bisect_finds_the_commit_that_broke_a_case() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bisect.sh");
    program::script(&path, &script());
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).unwrap();
    git(&tree, &["init", "-q"]);
    for (number, flags) in HISTORY.iter().enumerate() {
        fs::write(tree.join("flags"), flags).unwrap();
        // A commit must change something.
        fs::write(tree.join("number"), number.to_string()).unwrap();
        git(&tree, &["add", "-A"]);
        git(&tree, &["commit", "-q", "-m", &format!("commit {number}")]);
    }
    git(&tree, &["bisect", "start", "HEAD", "HEAD~5"]);
    let mut command = Command::new("git");
    command
        .args(["bisect", "run"])
        .arg(&path)
        .env_remove("QEMU")
        .current_dir(&tree);
    let ended = program::finish(command);
    // One of the two commits that cannot be tested lies between the last good and the first bad one.
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains("only 'skip'ped commits left"), "{said}");
    let left: Vec<&str> = said
        .lines()
        .skip_while(|line| !line.contains("could be any of"))
        .skip(1)
        .take(2)
        .collect();
    let mut named: Vec<String> = left
        .iter()
        .map(|hash| {
            git(&tree, &["log", "-1", "--format=%s", hash])
                .trim()
                .to_owned()
        })
        .collect();
    named.sort();
    assert_eq!(named, ["commit 2", "commit 3"], "{said}");
}
