//! Runs one child process.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, ChildStdin, ChildStdout, Command, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::log;

/// Number of log lines in an error message.
const LAST_WORDS: usize = 8;

/// A running child whose stderr goes to a file. Dropping this value kills the child.
///
/// The child has its own process group: Ctrl-C on the terminal reaches only this process, which ends its
/// children in the right order.
#[derive(Debug)]
pub struct Child {
    process: Mutex<process::Child>,
    /// Readable when the child has ended (`pidfd_open(2)`).
    end: OwnedFd,
    log: PathBuf,
    /// The child's standard input, if `command` made it a pipe.
    pub stdin: Option<ChildStdin>,
    /// The child's standard output, if `command` made it a pipe.
    pub stdout: Option<ChildStdout>,
}

impl Child {
    /// Starts `command` with its stderr in the file `log`.
    ///
    /// # Errors
    /// The log cannot be created or the program cannot start.
    pub fn start(mut command: Command, log: &Path) -> io::Result<Self> {
        command.process_group(0).stderr(File::create(log)?);
        let mut process = command.spawn()?;
        let end = pidfd_open(Pid::from_child(&process), PidfdFlags::empty());
        let end = end.map_err(|error| {
            // A child that cannot be watched must end. Both calls fail only if it has ended already.
            let _ = process.kill();
            let _ = process.wait();
            io::Error::from(error)
        })?;
        Ok(Self {
            stdin: process.stdin.take(),
            stdout: process.stdout.take(),
            process: Mutex::new(process),
            end,
            log: log.to_owned(),
        })
    }

    fn process(&self) -> std::sync::MutexGuard<'_, process::Child> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process id of the child.
    pub fn id(&self) -> u32 {
        self.process().id()
    }

    /// Returns the exit status of the child; `None` while it runs.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.process().try_wait().ok().flatten()
    }

    /// Waits for the end of the child, at most this long; [`Duration::MAX`] waits for ever.
    pub fn wait(&self, time: Duration) -> Option<ExitStatus> {
        let end = Instant::now().checked_add(time);
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            match poll(&mut [PollFd::new(&self.end, PollFlags::IN)], left.as_ref()) {
                Err(rustix::io::Errno::INTR) => {}
                _ => return self.ended(),
            }
        }
    }

    /// Sends a signal to the child.
    ///
    /// # Errors
    /// The child has ended.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.end, signal)?)
    }

    /// Asks the child to end, and kills it if it still runs after `patience`.
    pub fn stop(&self, patience: Duration) {
        // The child may just have ended. Then there is nothing to ask.
        let _ = self.signal(Signal::TERM);
        if self.wait(patience).is_none() {
            self.kill();
        }
    }

    /// Kills the child and waits for its end.
    pub fn kill(&self) {
        let mut process = self.process();
        // Both calls fail only if the child has ended already.
        let _ = process.kill();
        let _ = process.wait();
    }

    /// Returns the last lines that the child wrote to stderr, without the final end-of-line.
    pub fn last_words(&self) -> String {
        log::tail(&self.log, LAST_WORDS)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use rustix::process::Signal;

    use super::Child;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str, folder: &tempfile::TempDir) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::null());
        Child::start(command, &folder.path().join("log")).unwrap()
    }

    #[test]
    fn a_child_that_ends_leaves_its_status_and_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let child = shell("echo why >&2; exit 3", &folder);
        let status = child.wait(LONG).unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!(child.last_words(), "why");
        assert!(child.signal(Signal::USR1).is_err());
    }

    #[test]
    fn a_child_that_does_not_listen_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap '' TERM; echo up >&2; while :; do sleep 0.1; done";
        let child = shell(script, &folder);
        while child.last_words() != "up" {
            assert_eq!(child.wait(Duration::from_millis(10)), None);
        }
        child.stop(Duration::from_millis(50));
        assert!(child.ended().is_some());
    }

    #[test]
    fn a_child_ends_with_its_value() {
        let folder = tempfile::tempdir().unwrap();
        let child = shell("exec sleep 600", &folder);
        let id = child.id();
        drop(child);
        assert!(!std::path::Path::new(&format!("/proc/{id}")).exists());
    }

    #[test]
    fn a_program_that_does_not_exist_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let command = Command::new("/nowhere/program");
        assert!(Child::start(command, &folder.path().join("log")).is_err());
    }
}
