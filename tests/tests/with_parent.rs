//! Programs that are started by one that is killed end with it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use vfio_user_ism_tests::program::{command, program, run};
use vfio_user_ism_tests::wire::eventually;

fn runs(pid: u32) -> bool {
    // What has ended and was not waited for is a zombie.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Kills it with SIGKILL, so that it can clean up nothing.
fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn children(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace()
        .map(|word| word.parse().unwrap())
        .collect()
}

#[test]
fn a_program_ends_with_who_started_it() {
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
fn who_started_it_must_be_there() {
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

#[test]
#[ignore = "needs QEMU"]
fn a_killed_interception_test_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut intercept = command();
    intercept.arg("intercept").env("TMPDIR", folder.path());
    intercept.stdout(Stdio::null()).stderr(Stdio::null());
    let intercept = intercept.spawn().unwrap();
    let names = |pids: &[u32]| {
        let name = |pid| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        pids.iter().map(name).collect::<Vec<_>>()
    };
    let pids = eventually("server and QEMU run", || {
        let pids = children(intercept.id());
        let names = names(&pids);
        let both = ["vfio-user-ism", "qemu-system-s39"];
        both.iter()
            .all(|wanted| names.iter().any(|name| name.trim_end() == *wanted))
            .then_some(pids)
    });
    kill(intercept);
    eventually("both have ended", || {
        pids.iter().all(|pid| !runs(*pid)).then_some(())
    });
}
