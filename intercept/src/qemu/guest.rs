//! One guest: started, waited for, its memory read.

use super::check::Qemu;
use super::command::CommandLine;
use super::qmp::{Qmp, QmpError};
use crate::probe::{self, DUMP_ADDRESS, DUMP_LENGTH, ProbeState};
use crate::process::{self, Process};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Stdio};
use std::time::{Duration, Instant};
use thiserror::Error;

/// Events that end a guest.
const ENDS: [&str; 3] = ["SHUTDOWN", "GUEST_PANICKED", "STOP"];

/// States of a guest that has ended (QEMU `qapi/run-state.json`), with the actions that are asked for.
const ENDED: [&str; 3] = ["shutdown", "guest-panicked", "paused"];

/// How long QEMU may take to answer its monitor.
const MONITOR: Duration = Duration::from_secs(10);

/// Why a guest gave no results.
#[derive(Debug, Error)]
pub enum GuestError {
    /// QEMU cannot be started.
    #[error("cannot start QEMU {}", path.display())]
    Start {
        /// The program.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// QEMU ended before the guest did.
    #[error("QEMU ended early with {status}, saying: {message}")]
    EndedEarly {
        /// How.
        status: String,
        /// Its last words.
        message: String,
    },
    /// The guest did not come to its end.
    #[error("the guest did not end within {seconds} s; {position}{registers}")]
    Hung {
        /// How long it was given.
        seconds: u64,
        /// How far it came.
        position: String,
        /// The PSW, if QEMU told it.
        registers: String,
    },
    /// The monitor failed.
    #[error("QEMU's monitor failed")]
    Monitor(#[from] QmpError),
    /// The dump that QEMU wrote cannot be read.
    #[error("the dump of guest memory in {}", path.display())]
    Dump {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// What a guest left.
#[derive(Debug)]
pub struct Run {
    /// Guest memory from [`DUMP_ADDRESS`].
    pub dump: Vec<u8>,
    /// From starting QEMU to the end of the guest.
    pub time: Duration,
}

/// Runs the probe to its end and reads its memory. `name_of` tells a record by its number, for errors.
///
/// # Errors
/// See [`GuestError`].
pub fn run_probe(
    qemu: &Qemu,
    line: &CommandLine,
    folder: &Path,
    patience: Duration,
    name_of: &dyn Fn(u64) -> String,
) -> Result<Run, GuestError> {
    let (dump, time) = with_monitor(qemu, line, folder, |qmp| {
        let ended = wait_for_end(qmp, patience)?;
        let dump = save(qmp, folder)?;
        if ended {
            Ok(dump)
        } else {
            Err(hung(qmp, &dump, patience, name_of))
        }
    })?;
    Ok(Run { dump, time })
}

/// Runs any guest until it ends, or `patience` is over; whether it ended, and how long it ran.
///
/// # Errors
/// See [`GuestError`].
pub fn run_guest(
    qemu: &Qemu,
    line: &CommandLine,
    folder: &Path,
    patience: Duration,
) -> Result<(bool, Duration), GuestError> {
    with_monitor(qemu, line, folder, |qmp| wait_for_end(qmp, patience))
}

/// Waits for the guest's end; false if it did not come in time. A short guest may have ended before the
/// monitor was ready to tell events, so its state is asked for first.
fn wait_for_end<W: Write>(qmp: &mut Qmp<W>, patience: Duration) -> Result<bool, GuestError> {
    let state = qmp.command("query-status", &json!({}), MONITOR)?;
    let state = state.get("status").and_then(Value::as_str);
    if state.is_some_and(|state| ENDED.contains(&state)) {
        return Ok(true);
    }
    Ok(qmp.wait_for(&ENDS, patience)?)
}

/// Starts QEMU, does `work` with its monitor, and ends it.
fn with_monitor<T>(
    qemu: &Qemu,
    line: &CommandLine,
    folder: &Path,
    work: impl FnOnce(&mut Qmp<ChildStdin>) -> Result<T, GuestError>,
) -> Result<(T, Duration), GuestError> {
    let start = Instant::now();
    let mut command = process::command(&qemu.path);
    command
        .args(line.arguments())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut process =
        Process::start(command, &folder.join("qemu.log")).map_err(|source| GuestError::Start {
            path: qemu.path.clone(),
            source,
        })?;
    let result = converse(&mut process, work);
    let time = start.elapsed();
    match result {
        Ok(done) => {
            process.wait(MONITOR);
            process.stop(MONITOR);
            Ok((done, time))
        }
        Err(GuestError::Monitor(QmpError::Closed)) => Err(ended_early(&mut process)),
        Err(other) => Err(other),
    }
}

fn converse<T>(
    process: &mut Process,
    work: impl FnOnce(&mut Qmp<ChildStdin>) -> Result<T, GuestError>,
) -> Result<T, GuestError> {
    let child = process.child();
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(GuestError::Monitor(QmpError::Closed));
    };
    let mut qmp = Qmp::connect(stdout, stdin, MONITOR)?;
    let done = work(&mut qmp)?;
    // It may be gone before it answers.
    let _ = qmp.command("quit", &json!({}), MONITOR);
    Ok(done)
}

fn hung(
    qmp: &mut Qmp<ChildStdin>,
    dump: &[u8],
    patience: Duration,
    name_of: &dyn Fn(u64) -> String,
) -> GuestError {
    let position = match probe::progress(dump) {
        Ok((ProbeState::Running, record)) => {
            format!("the last instruction reached is {}", name_of(record))
        }
        Ok((ProbeState::NotStarted, _)) => "the probe did not start".to_owned(),
        _ => "it was still looking for the function".to_owned(),
    };
    GuestError::Hung {
        seconds: patience.as_secs(),
        position,
        registers: psw(qmp),
    }
}

fn ended_early(process: &mut Process) -> GuestError {
    let status = process.wait(MONITOR).map_or_else(
        || "its monitor closed".to_owned(),
        |status| status.to_string(),
    );
    let message = match process.log_tail() {
        tail if tail.is_empty() => "nothing".to_owned(),
        tail => tail,
    };
    GuestError::EndedEarly { status, message }
}

fn save(qmp: &mut Qmp<ChildStdin>, folder: &Path) -> Result<Vec<u8>, GuestError> {
    let path = folder.join("memory.dump");
    let arguments =
        json!({ "val": DUMP_ADDRESS, "size": DUMP_LENGTH, "filename": path.to_string_lossy() });
    qmp.command("pmemsave", &arguments, MONITOR)?;
    std::fs::read(&path).map_err(|source| GuestError::Dump { path, source })
}

fn psw(qmp: &mut Qmp<ChildStdin>) -> String {
    let registers = qmp.command(
        "human-monitor-command",
        &json!({ "command-line": "info registers" }),
        MONITOR,
    );
    let text = registers
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default();
    text.lines()
        .find(|line| line.contains("PSW="))
        .map(|line| format!(" ({})", line.trim()))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Qmp, wait_for_end};
    use std::io::{Cursor, sink};
    use std::time::Duration;

    /// What comes of waiting for the end of a guest in `state`, with `events` to come.
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
}
