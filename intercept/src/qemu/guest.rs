//! Runs one guest: starts it, waits for it, and reads its memory.

use super::binary::identify;
use super::check::Qemu;
use super::command::CommandLine;
use super::memory::GuestMemory;
use super::qmp::{Qmp, QmpError};
use crate::probe::ProbeState;
use crate::recording::{Binary, Stop};
use harness::Child;
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use thiserror::Error;

/// QEMU's events at the end of a guest.
const ENDS: [&str; 3] = ["SHUTDOWN", "GUEST_PANICKED", "STOP"];

/// States of an ended guest (QEMU `qapi/run-state.json`), with the actions on the command line.
const ENDED: [&str; 3] = ["shutdown", "guest-panicked", "paused"];

/// Longest time for QEMU's monitor to answer.
const MONITOR: Duration = Duration::from_secs(10);

/// Shortest limit for QEMU's greeting and for its first answer, even if the limit for its guest is shorter. A busy
/// machine loads QEMU slowly, and QEMU answers only when it has made its devices.
const GREETING: Duration = Duration::from_secs(60);

/// Longest time for QEMU to print the registers of a hanging guest. QEMU itself may hang.
const LAST_QUESTION: Duration = Duration::from_secs(1);

/// Interval between two looks at the guest's progress.
const LOOK: Duration = Duration::from_millis(50);

/// A reason why a guest gave no results.
#[derive(Debug, Error)]
pub enum GuestError {
    /// QEMU cannot be started.
    #[error("cannot start QEMU {}", path.display())]
    Start {
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// QEMU ended before the guest ran.
    #[error("QEMU ended early with {status}, saying: {}", say(words))]
    EndedEarly {
        /// The exit status of QEMU.
        status: String,
        /// The last lines of QEMU's output, without warnings.
        words: Vec<String>,
    },
    /// The guest did not start.
    #[error("the guest did not end within {seconds} s; the probe did not start{registers}")]
    NotStarted {
        /// The time limit in seconds.
        seconds: u64,
        /// The PSW, if QEMU printed it.
        registers: String,
    },
    /// The monitor failed.
    #[error("QEMU's monitor failed")]
    Monitor(#[from] QmpError),
    /// The guest's memory cannot be made or read.
    #[error("cannot use the guest's memory")]
    Memory(#[source] std::io::Error),
}

fn say(words: &[String]) -> String {
    if words.is_empty() {
        "nothing".to_owned()
    } else {
        words.join("\n")
    }
}

/// The end of a probe.
#[derive(Debug)]
pub(crate) enum ProbeEnd {
    /// The guest came to an end.
    Ended,
    /// QEMU ended, or the guest made no progress.
    Stopped(Stop),
}

/// The results of a probe.
#[derive(Debug)]
pub(crate) struct Run {
    /// Guest memory from [`crate::probe::DUMP_ADDRESS`].
    pub dump: Vec<u8>,
    /// Time from the start of QEMU to the end of the guest.
    pub time: Duration,
    /// The end of the probe.
    pub end: ProbeEnd,
    /// The tested program.
    pub binary: Option<Binary>,
}

/// The result of another guest than the probe.
#[derive(Debug)]
pub(crate) struct GuestRun {
    /// Whether the guest ended by itself.
    pub ended: bool,
    /// Time from its start to its end.
    pub time: Duration,
    /// The tested program.
    pub binary: Option<Binary>,
}

/// Runs the probe until it ends, QEMU ends, or the probe makes no progress for `patience`. `line` names the
/// file of `memory`.
///
/// # Errors
/// See [`GuestError`]; trouble before the probe's code runs.
pub(crate) fn run_probe(
    qemu: &Qemu,
    line: &CommandLine,
    folder: &Path,
    memory: &GuestMemory,
    patience: Duration,
) -> Result<Run, GuestError> {
    let start = Instant::now();
    let (process, pipes) = start_qemu(qemu, line, folder)?;
    let mut binary = None;
    let mut greeted = |id| binary = identify(qemu, id);
    let end = watch(&process, pipes, memory, patience, &mut greeted)?;
    let time = start.elapsed();
    drop(process);
    Ok(Run {
        binary,
        dump: memory.dump().map_err(GuestError::Memory)?,
        time,
        end,
    })
}

fn watch(
    process: &Child,
    pipes: Pipes,
    memory: &GuestMemory,
    patience: Duration,
    greeted: &mut dyn FnMut(u32),
) -> Result<ProbeEnd, GuestError> {
    let mut last = memory.progress().map_err(GuestError::Memory)?;
    let outcome = greet(pipes, patience).and_then(|mut qmp| {
        greeted(process.id());
        let mut since = Instant::now();
        let mut ended = has_ended(&mut qmp, patience.max(GREETING))?;
        while !ended {
            ended = qmp.wait_for(&ENDS, LOOK)?;
            let now = memory.progress().map_err(GuestError::Memory)?;
            if now != last {
                (last, since) = (now, Instant::now());
            }
            if !ended && since.elapsed() >= patience {
                let psw = psw(&mut qmp);
                return Ok(Some(psw));
            }
        }
        quit(process, &mut qmp);
        Ok(None)
    });
    let (state, _) = memory.progress().map_err(GuestError::Memory)?;
    let started = state != ProbeState::NotStarted;
    let seconds = patience.as_secs();
    match outcome {
        Ok(None) => Ok(ProbeEnd::Ended),
        Ok(Some(psw)) if started => Ok(ProbeEnd::Stopped(Stop::Hung { seconds, psw })),
        Ok(Some(psw)) => Err(GuestError::NotStarted {
            seconds,
            registers: psw.map(|psw| format!(" ({psw})")).unwrap_or_default(),
        }),
        Err(GuestError::Monitor(QmpError::Closed)) => {
            let status = process.wait(MONITOR);
            let words = last_words(&process.last_words());
            if !started {
                return Err(ended_early(status, words));
            }
            Ok(ProbeEnd::Stopped(Stop::Crashed {
                signal: status.and_then(|status| status.signal()),
                exit_code: status.and_then(|status| status.code()),
                words,
                backtrace: Vec::new(),
            }))
        }
        // If the monitor does not answer while the guest runs, QEMU as a whole hangs.
        Err(GuestError::Monitor(QmpError::Timeout { .. })) if started => {
            Ok(ProbeEnd::Stopped(Stop::Hung { seconds, psw: None }))
        }
        Err(other) => Err(other),
    }
}

/// Runs any guest until it ends, or for `patience`. Returns the result.
///
/// # Errors
/// See [`GuestError`].
pub(crate) fn run_guest(
    qemu: &Qemu,
    line: &CommandLine,
    folder: &Path,
    patience: Duration,
) -> Result<GuestRun, GuestError> {
    let start = Instant::now();
    let (process, pipes) = start_qemu(qemu, line, folder)?;
    let ended = greet(pipes, patience).and_then(|mut qmp| {
        let binary = identify(qemu, process.id());
        let ended = wait_for_end(&mut qmp, patience)?;
        let time = start.elapsed();
        quit(&process, &mut qmp);
        Ok(GuestRun {
            ended,
            time,
            binary,
        })
    });
    match ended {
        Ok(run) => Ok(run),
        Err(GuestError::Monitor(QmpError::Closed)) => {
            let status = process.wait(MONITOR);
            Err(ended_early(status, last_words(&process.last_words())))
        }
        Err(other) => Err(other),
    }
}

/// Waits for the guest's end. Returns false if it does not come in time. A short guest may end before the
/// monitor can send events, so this function asks for the state first.
fn wait_for_end<W: Write>(qmp: &mut Qmp<W>, patience: Duration) -> Result<bool, GuestError> {
    Ok(has_ended(qmp, patience.max(GREETING))? || qmp.wait_for(&ENDS, patience)?)
}

fn has_ended<W: Write>(qmp: &mut Qmp<W>, patience: Duration) -> Result<bool, GuestError> {
    let state = qmp.command("query-status", &json!({}), patience)?;
    let state = state.get("status").and_then(Value::as_str);
    Ok(state.is_some_and(|state| ENDED.contains(&state)))
}

/// QEMU's standard input and output, which are its monitor.
type Pipes = (ChildStdin, ChildStdout);

fn start_qemu(
    qemu: &Qemu,
    line: &CommandLine,
    folder: &Path,
) -> Result<(Child, Pipes), GuestError> {
    let failed = |source| GuestError::Start {
        path: qemu.path.clone(),
        source,
    };
    let mut command = harness::command(&qemu.path);
    command
        .args(line.arguments())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut process = Child::start(command, &folder.join("qemu.log")).map_err(failed)?;
    match (process.stdin.take(), process.stdout.take()) {
        (Some(stdin), Some(stdout)) => Ok((process, (stdin, stdout))),
        _ => Err(GuestError::Monitor(QmpError::Closed)),
    }
}

fn greet((stdin, stdout): Pipes, patience: Duration) -> Result<Qmp<ChildStdin>, GuestError> {
    // If the user allows more time for a slow host, this step needs it, too.
    Ok(Qmp::connect(stdout, stdin, patience.max(GREETING))?)
}

/// Ends a QEMU that still listens.
fn quit(process: &Child, qmp: &mut Qmp<ChildStdin>) {
    // QEMU may end before it answers.
    let _ = qmp.command("quit", &json!({}), MONITOR);
    process.wait(MONITOR);
    process.stop(MONITOR);
}

fn ended_early(status: Option<ExitStatus>, words: Vec<String>) -> GuestError {
    let status = status.map_or_else(
        || "its monitor closed".to_owned(),
        |status| status.to_string(),
    );
    GuestError::EndedEarly { status, words }
}

/// QEMU's output without warnings, which do not explain its end.
fn last_words(log: &str) -> Vec<String> {
    log.lines()
        .filter(|line| !line.contains(": warning: "))
        .map(|line| line.trim_end().to_owned())
        .collect()
}

fn psw(qmp: &mut Qmp<ChildStdin>) -> Option<String> {
    let registers = qmp.command(
        "human-monitor-command",
        &json!({ "command-line": "info registers" }),
        LAST_QUESTION,
    );
    let text = registers.ok()?;
    let line = text.as_str()?.lines().find(|line| line.contains("PSW="))?;
    Some(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Qmp, last_words, wait_for_end};
    use std::io::{Cursor, sink};
    use std::time::Duration;

    /// Waits for the end of a guest in `state`, with later `events`. Returns the result.
    fn ended(state: &str, events: &str) -> Option<bool> {
        let lines = format!(
            "{{\"QMP\":{{}}}}\n{{\"return\":{{}}}}\n{{\"return\":{{\"status\":\"{state}\"}}}}\n{events}"
        );
        let patience = Duration::from_secs(20);
        let mut qmp = Qmp::connect(Cursor::new(lines), sink(), patience).expect("greets");
        wait_for_end(&mut qmp, patience).ok()
    }

    #[test]
    fn an_end_before_the_monitor_was_ready_is_seen() {
        for state in ["shutdown", "guest-panicked", "paused"] {
            assert_eq!(ended(state, ""), Some(true), "{state}");
        }
    }

    #[test]
    fn a_guest_that_runs_or_has_not_begun_is_waited_for() {
        for state in ["running", "prelaunch"] {
            assert_eq!(ended(state, "{\"event\":\"SHUTDOWN\"}\n"), Some(true));
            assert_eq!(ended(state, ""), None, "{state}: QEMU closed its monitor");
        }
    }

    #[test]
    fn a_warning_is_not_why_qemu_ended() {
        let log = "qemu: warning: vfio: Could not enable error recovery for the device\nqemu: x.c:5: assertion failed\n";
        assert_eq!(last_words(log), ["qemu: x.c:5: assertion failed"]);
    }
}
