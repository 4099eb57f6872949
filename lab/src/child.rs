//! Child processes: a log of their words, and an end that is certain.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child as Process, ChildStdout};

use crate::error::Error;
use crate::log;

/// A running child whose stderr goes to a file; it is killed when this value goes.
///
/// It has a process group of its own: Ctrl-C on the terminal reaches the lab alone, which ends its
/// children in the right order.
#[derive(Debug)]
pub struct Child {
    process: Process,
    id: u32,
    log: PathBuf,
}

impl Child {
    /// Starts `command`, called `what` in errors, with its stderr in the file `log`.
    ///
    /// # Errors
    /// The log cannot be made, or the program cannot be started.
    pub fn start(
        what: &str,
        mut command: std::process::Command,
        log: &Path,
    ) -> Result<Self, Error> {
        let stderr = File::create(log).map_err(Error::file("create", log))?;
        command.process_group(0).stdin(Stdio::null()).stderr(stderr);
        let mut command = tokio::process::Command::from(command);
        let process = command
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| Error::CannotStart {
                what: what.to_owned(),
                program: command.as_std().get_program().into(),
                source,
            })?;
        Ok(Self {
            id: process.id().unwrap_or_default(),
            process,
            log: log.to_owned(),
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its standard output, if that is a pipe and was not taken before.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.process.stdout.take()
    }

    /// Waits for its end. May be given up and asked again.
    ///
    /// # Errors
    /// The system cannot tell.
    pub async fn ended(&mut self) -> Result<ExitStatus, Error> {
        self.process.wait().await.map_err(|source| Error::System {
            what: "wait for a child process",
            source,
        })
    }

    /// Asks it to end, waits, and kills it if it does not.
    pub async fn stop(&mut self, patience: Duration) {
        if matches!(self.process.try_wait(), Ok(Some(_))) {
            return;
        }
        if let Some(id) = i32::try_from(self.id).ok().and_then(Pid::from_raw) {
            // It may just have ended; then there is nothing to ask.
            let _ = kill_process(id, Signal::TERM);
        }
        if tokio::time::timeout(patience, self.process.wait())
            .await
            .is_err()
        {
            // Fails only if it ended by itself now.
            let _ = self.process.kill().await;
        }
    }

    /// The last lines of what it wrote to stderr.
    pub fn last_words(&self) -> String {
        log::tail(&self.log, 8)
    }
}
