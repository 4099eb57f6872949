//! Tests of arguments, exit status, errors and signals.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use vfio_user_ism_tests::patience::within;
use vfio_user_ism_tests::program::{self, program};
use vfio_user_ism_tests::qemu::Process;

use super::running::{BOOT, PATIENCE, lab};

#[track_caller]
fn refused(arguments: &[&str], part: &str) {
    let ended = lab(arguments);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains(part), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

#[test]
fn arguments_that_contradict_are_refused_before_anything_starts() {
    refused(
        &["--guests", "0", "--run", "x"],
        "expected a number from 1 to 64",
    );
    refused(
        &["--run", "x", "--on", "1"],
        "--on 1: there is no such guest, the last one is guest 0",
    );
    refused(
        &["--run", "x", "--beside", "2:y", "--guests", "2"],
        "--beside 2: there is no such guest",
    );
    refused(
        &["--run", "x", "--beside", "y"],
        "expected a guest's number, a colon and a shell command",
    );
    refused(
        &["--run", "x"]
            .into_iter()
            .chain(["--beside", "0:y"].repeat(4))
            .collect::<Vec<_>>(),
        "--beside: 4 commands in guest 0, expected 3 at most",
    );
    refused(&["--run", "x", "--bench"], "cannot be used with");
    refused(&["--scenario", "all", "--run", "x"], "cannot be used with");
    refused(
        &["--run", "x", "--format", "json"],
        "--format: expected --bench, --scenario",
    );
    refused(
        &["--run", "x", "--functions-per-guest", "0"],
        "expected a number from 1 to 16",
    );
    refused(&["--bench", "--observe"], "cannot be used with");
    // Each needs an argument that the one before it excludes.
    refused(&["--run", "x", "--compare", "zpci"], "cannot be used with");
    refused(&["--observe", "--compare", "zpci"], "cannot be used with");
    refused(&["--run", "x", "--transfer", "5"], "cannot be used with");
    refused(&["--observe", "--transfer", "5"], "cannot be used with");
    refused(&["--run", "x", "--minutes", "5"], "cannot be used with");
    refused(&["--guests", "2", "--minutes", "5"], "cannot be used with");
    refused(&["--bench", "--on", "0"], "cannot be used with");
    refused(&["--console", "0", "--on", "0"], "cannot be used with");
    // Each would have no effect.
    refused(&["--bench", "--console", "1"], "cannot be used with");
    refused(
        &["--console", "0", "--transfer", "5"],
        "cannot be used with",
    );
    refused(
        &["--scenario", "all", "--require-ism"],
        "cannot be used with",
    );
    refused(&["--shake", "1", "--require-ism"], "cannot be used with");
    refused(&["--minutes", "5", "--require-ism"], "cannot be used with");
    refused(&["--compare", "zpci"], "--bench");
    refused(
        &["--bench", "--compare", "zpci,moves=often"],
        "moves=often: expected posted, data or waited",
    );
    refused(
        &["--bench", "--compare", "zpci,stores=bar"],
        "expected moves=WHICH or DRIVER.PROPERTY=VALUE",
    );
    refused(&["--initrd", "x"], "--kernel");
    refused(&["--memory", "1", "--run", "x"], "128..=65536");
    refused(&["--smp", "0", "--run", "x"], "1..=64");
    refused(&["--vlan", "4095", "--run", "x"], "1..=4094");
    refused(&["--vlan", "5", "--scenario", "all"], "cannot be used with");
    refused(&["--repeat", "2", "--run", "x"], "--scenario");
    refused(&["--repeat", "0", "--scenario", "all"], "1..=1000");
    let text = ["--kernel", "/etc/passwd", "--run", "x"];
    refused(&text, "/etc/passwd: this is no s390x kernel image");
}

#[test]
fn without_a_terminal_there_is_no_console() {
    refused(
        &[],
        "standard input is no terminal, so there is no console: expected --run CMD, --bench or --scenario",
    );
}

#[test]
fn a_missing_plugin_is_named_with_the_command_that_builds_it() {
    let ended = lab(&["--run", "true", "--plugin", "/nowhere/plugin.so"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let part = "no plugin /nowhere/plugin.so: build it with `cargo build";
    assert!(ended.stderr.contains(part), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("-p vfio-user-ism-plugin`"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_program_that_is_no_qemu_is_refused() {
    let plugin = tempfile::NamedTempFile::new().unwrap();
    let plugin = plugin.path().to_str().unwrap();
    let ended = lab(&["--run", "true", "--plugin", plugin, "--qemu", "/bin/false"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let part = "/bin/false (from the argument) cannot be used";
    assert!(ended.stderr.contains(part), "{}", ended.stderr);
}

#[test]
#[ignore = "needs QEMU 11.1, the plugin and a Linux guest: run ./test"]
fn a_qemu_that_does_not_start_is_quoted() {
    let ended = lab(&["--run", "true", "--qemu-arg", "-no-such-flag"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    for part in [
        "guest 0: QEMU ended with exit status: 1 before it was ready",
        "-no-such-flag: invalid option",
    ] {
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
}

#[test]
#[ignore = "needs QEMU 11.1, the plugin and a Linux guest: run ./test"]
fn a_profile_with_too_few_functions_is_refused() {
    let profile = program::profile("ism");
    let words = [
        "--guests",
        "2",
        "--run",
        "true",
        "--profile",
        profile.to_str().unwrap(),
    ];
    refused(&words, "has 1 function(s), expected 2 at least");
}

#[test]
#[ignore = "needs QEMU 11.1, the plugin and a Linux guest: run ./test"]
fn a_command_has_its_output_and_status_and_a_panic_is_shown() {
    let keep = tempfile::tempdir().unwrap();
    let path = |name: &str| keep.path().join(name);
    let events = path("events");
    let ended = lab(&[
        "--guests",
        "2",
        "--on",
        "1",
        "--keep",
        keep.path().to_str().unwrap(),
        "--events",
        events.to_str().unwrap(),
        "--beside",
        "0:nc -l -p 5000; echo heard; nc -l -p 5001",
        "--run",
        // The other guest may listen late, and must have printed all before this command ends.
        "hostname; echo 'to you' >&2; for port in 5000 5001; do \
         until echo hello | nc 10.0.0.1 $port 2>/dev/null; do sleep 1; done; done; exit 7",
    ]);
    assert_eq!(ended.code, Some(7), "{}", ended.stderr);
    assert_eq!(ended.stdout, "guest1\n");
    for part in [
        "\nto you\n",
        "lab: guest 0: hello\n",
        "lab: guest 0: heard\n",
    ] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    for name in [
        "server.log",
        "report.json",
        "guest0-console.log",
        "guest1-qemu.log",
    ] {
        assert!(path(name).is_file(), "{name}");
    }
    let text = std::fs::read_to_string(events).unwrap();
    assert!(
        text.contains(r#""event":"command""#),
        "no command in the events"
    );

    let ended = lab(&["--run", "echo c >/proc/sysrq-trigger; sleep 60"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    for part in [
        "guest 0: QEMU ended",
        "the end of its console",
        "Kernel panic",
    ] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
}

fn process(id: &str) -> Pid {
    id.trim().parse().ok().and_then(Pid::from_raw).unwrap()
}

#[test]
#[ignore = "needs QEMU 11.1, the plugin and a Linux guest: run ./test"]
fn a_signal_ends_everything() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program::command();
    command
        .args(["lab", "--timeout", BOOT, "--run", "echo up; sleep 1000"])
        .env("TMPDIR", folder.path());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let id = Pid::from_child(&child);
    kill_process(id, Signal::TERM).unwrap();
    let status = within(PATIENCE, "the lab ends", || child.try_wait().unwrap());
    let stderr = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert_eq!(
        (line.as_str(), status.code()),
        ("up\n", Some(128 + 15)),
        "{stderr}"
    );
    for name in ["lab: server: process ", "lab: guest 0: QEMU is process "] {
        let id = stderr.lines().find_map(|line| line.strip_prefix(name));
        let id = process(id.unwrap_or_else(|| panic!("{stderr}")));
        assert!(
            test_kill_process(id).is_err(),
            "{name}{id:?} is still there"
        );
    }
    let left: Vec<_> = std::fs::read_dir(Path::new(folder.path()))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
#[ignore = "needs QEMU 11.1, the plugin and a Linux guest: run ./test"]
fn a_hang_up_does_not_end_a_lab_that_ignores_it() {
    // As nohup does.
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"trap "" HUP; exec "$0" "$@""#])
        .arg(program())
        .args([
            "lab",
            "--timeout",
            BOOT,
            "--run",
            "echo up; sleep 3; echo down",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "up");
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "down");
    let status = within(PATIENCE, "the lab ends", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

/// A terminal in which the lab runs.
struct Terminal {
    process: Process,
    text: String,
}

impl Terminal {
    /// Waits until `marker` is shown, and discards the text up to it.
    #[track_caller]
    fn expect(&mut self, marker: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.text.find(marker) {
                self.text.drain(..at + marker.len());
                return;
            }
            match self.process.receive(deadline) {
                Ok(bytes) => self.text.push_str(&String::from_utf8_lossy(&bytes)),
                Err(error) => panic!("no {marker:?} ({error}) in {}", self.text),
            }
        }
    }
}

#[test]
#[ignore = "needs QEMU 11.1, the plugin and a Linux guest: run ./test"]
fn a_terminal_has_the_consoles_and_ctrl_bracket_is_the_labs() {
    // script(1) of util-linux gives its child a terminal.
    let line = format!(
        "'{}' lab --timeout {BOOT} --guests 2; echo status $?",
        program::program().display()
    );
    let mut command = std::process::Command::new("script");
    command.args(["--quiet", "--flush", "--command", &line, "/dev/null"]);
    let mut terminal = Terminal {
        process: Process::start(command, tempfile::tempdir().unwrap()),
        text: String::new(),
    };
    terminal.expect("guest0# ");
    // Ctrl-C goes to the guest, and ends a command there. The command itself prints that it has begun,
    // because the shell may drop a Ctrl-C between two commands.
    terminal
        .process
        .send("sh -c 'echo be''gun; exec sleep 1000'\n");
    terminal.expect("begun");
    terminal.process.send("\x03");
    terminal.expect("guest0# ");
    terminal.process.send("echo on $(hostname)\n");
    terminal.expect("on guest0");
    terminal.process.send("\x1d1");
    terminal.expect("[console of guest 1]");
    // Before its shell starts, the console may lose what is typed.
    terminal.expect("guest1# ");
    terminal.process.send("echo on $(hostname)\n");
    terminal.expect("on guest1");
    terminal.process.send("\x1dq");
    terminal.expect("status 0");
}

#[test]
#[ignore = "needs QEMU 11.1, the plugin and a Linux guest: run ./test"]
fn a_splat_and_an_idle_function_fail_a_lab_that_must_have_neither() {
    let checks = ["--smp", "2", "--fail-on-splat", "--require-ism", "--run"];
    // The command ends at once: a report of the last moment counts, too.
    let planted = "nproc; echo '<4>WARNING: a planted report' >/dev/kmsg";
    let ended = lab(&[&checks[..], &[planted]].concat());
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert_eq!(ended.stdout, "2\n");
    for part in [
        "guest 0: kernel splat: WARNING: a planted report",
        "guest 0: no byte went through its ISM function",
    ] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }

    let traffic = "smcd-tool serve --port 5000 >/dev/null & \
        until smcd-tool send --to 127.0.0.1 --port 5000 --bytes 100000 --require-smcd >/dev/null; \
        do sleep 0.2; done";
    let ended = lab(&[&checks[..], &[traffic]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}
