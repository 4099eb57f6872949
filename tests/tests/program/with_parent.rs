//! Tests that programs end when the program that started them is killed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use vfio_user_ism_tests::patience::eventually;
use vfio_user_ism_tests::program::{command, program, run};

fn runs(pid: u32) -> bool {
    // A process that has ended but was not waited for is a zombie.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Kills a child with SIGKILL, so that it cannot clean up.
fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Returns the children of all threads of a process.
fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let texts = threads.map(|thread| {
        let path = thread.unwrap().path().join("children");
        fs::read_to_string(path).unwrap_or_default()
    });
    let text = texts.collect::<Vec<_>>().join(" ");
    text.split_whitespace()
        .map(|word| word.parse().unwrap())
        .collect()
}

fn is_qemu(name: &str) -> bool {
    // A script starts an unpacked QEMU through the dynamic loader that came with it.
    name.starts_with("qemu-system-s39") || name.starts_with("ld-")
}

#[test]
fn a_program_ends_when_its_parent_is_killed() {
    let script = r#""$0" with-parent $$ sleep 600 & echo $!; wait"#;
    let mut shell = Command::new("sh");
    shell
        .args(["-c", script])
        .arg(program())
        .stdout(Stdio::piped());
    let mut shell = shell.spawn().unwrap();
    let mut line = String::new();
    let stdout = shell.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let pid: u32 = line.trim().parse().unwrap();
    let name = || fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    eventually("it is the program", || (name() == "sleep\n").then_some(()));
    kill(shell);
    eventually("it has ended", || (!runs(pid)).then_some(()));
}

#[test]
fn a_program_whose_parent_has_gone_already_ends_at_once() {
    let ended = run(["with-parent", "1", "true"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let parent = std::process::id().to_string();
    assert_eq!(run(["with-parent", &parent, "true"]).code, Some(0));
    let ended = run(["with-parent", &parent, "/nowhere/program"]);
    assert_eq!(ended.code, Some(3));
    assert!(
        ended.stderr.contains("/nowhere/program"),
        "{}",
        ended.stderr
    );
}

/// Kills `starter` once a server and a QEMU run below it. Both must end.
#[track_caller]
fn leaves_nothing_behind(mut starter: Command) {
    let folder = tempfile::tempdir().unwrap();
    starter.env("TMPDIR", folder.path());
    starter.stdout(Stdio::null()).stderr(Stdio::null());
    let starter = starter.spawn().unwrap();
    let pids = eventually("server and QEMU run", || {
        let pids = children(starter.id());
        let name = |pid| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let names: Vec<String> = pids.iter().map(name).collect();
        let both = names.iter().any(|name| name == "vfio-user-ism\n")
            && names.iter().any(|name| is_qemu(name));
        both.then_some(pids)
    });
    kill(starter);
    eventually("both have ended", || {
        pids.iter().all(|pid| !runs(*pid)).then_some(())
    });
}

#[test]
#[ignore = "needs QEMU"]
fn a_killed_interception_test_leaves_nothing_behind() {
    let mut intercept = command();
    intercept.arg("intercept");
    leaves_nothing_behind(intercept);
}

#[test]
#[ignore = "needs QEMU and the guest that fetch lab makes"]
fn a_killed_lab_leaves_nothing_behind() {
    let mut lab = command();
    lab.args(["lab", "--run", "sleep 1000"]);
    leaves_nothing_behind(lab);
}
