//! Child processes: a log of their words, and an end that is certain and that anybody can wait for.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child as Process, ChildStdout};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::log;

/// Lines of a log in an error message.
const LAST_WORDS: usize = 8;

/// A child whose stderr goes to a file; it is killed when this value goes.
///
/// It has a process group of its own: Ctrl-C on the terminal reaches the lab alone, which ends its
/// children in the right order.
#[derive(Debug)]
pub struct Child {
    id: u32,
    log: PathBuf,
    stop: Arc<Notify>,
    end: watch::Receiver<Option<String>>,
    task: JoinHandle<()>,
}

impl Child {
    /// Starts `command`, called `what` in errors, with its stderr in the file `log`. It is given
    /// `patience` to end when it is asked to. Its standard output, if that is a pipe.
    ///
    /// # Errors
    /// The log cannot be made, or the program cannot be started.
    pub fn start(
        what: &str,
        mut command: std::process::Command,
        log: &Path,
        patience: Duration,
    ) -> Result<(Self, Option<ChildStdout>), Error> {
        let stderr = File::create(log).map_err(Error::file("create", log))?;
        command.process_group(0).stdin(Stdio::null()).stderr(stderr);
        let mut command = tokio::process::Command::from(command);
        let mut process =
            command
                .kill_on_drop(true)
                .spawn()
                .map_err(|source| Error::CannotStart {
                    what: what.to_owned(),
                    program: command.as_std().get_program().into(),
                    source,
                })?;
        let stdout = process.stdout.take();
        // None only of one that was waited for.
        let id = process.id().unwrap_or_default();
        let stop = Arc::new(Notify::new());
        let (ended, end) = watch::channel(None);
        let attended = attend(process, id, Arc::clone(&stop), patience, ended);
        let child = Self {
            id,
            log: log.to_owned(),
            stop,
            end,
            task: tokio::spawn(attended),
        };
        Ok((child, stdout))
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.end.borrow().is_none()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// It has ended.
    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        let sent = if self.is_running() {
            send(self.id, signal)
        } else {
            Err(rustix::io::Errno::SRCH)
        };
        sent.map_err(|error| Error::system("signal a child process")(error.into()))
    }

    /// Waits for its end; how it ended, in words.
    pub async fn ended(&self) -> String {
        let mut end = self.end.clone();
        let ended = end.wait_for(Option::is_some).await;
        let how = ended.ok().and_then(|how| how.clone());
        how.unwrap_or_else(|| "is gone".to_owned())
    }

    /// Asks it to end, waits, and kills it if it does not.
    pub async fn stop(&self) {
        self.stop.notify_one();
        self.ended().await;
    }

    /// The last lines of what it wrote to stderr.
    pub fn last_words(&self) -> String {
        log::tail(&self.log, LAST_WORDS)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn send(id: u32, signal: Signal) -> Result<(), rustix::io::Errno> {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw);
    kill_process(id.ok_or(rustix::io::Errno::SRCH)?, signal)
}

async fn attend(
    mut process: Process,
    id: u32,
    stop: Arc<Notify>,
    patience: Duration,
    ended: watch::Sender<Option<String>>,
) {
    let how = tokio::select! {
        status = process.wait() => match status {
            Ok(status) => format!("ended with {status}"),
            Err(error) => format!("is lost ({error})"),
        },
        () = stop.notified() => {
            // It may just have ended; then there is nothing to ask.
            let _ = send(id, Signal::TERM);
            if tokio::time::timeout(patience, process.wait()).await.is_err() {
                // Fails only if it ended by itself now.
                let _ = process.kill().await;
            }
            "was ended".to_owned()
        }
    };
    ended.send_replace(Some(how));
}

#[cfg(test)]
mod tests {
    use super::Child;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    fn shell(script: &str, folder: &tempfile::TempDir, patience: Duration) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::null());
        let log = folder.path().join("log");
        Child::start("a shell", command, &log, patience).unwrap().0
    }

    #[tokio::test]
    async fn a_child_that_ends_leaves_its_status_and_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let child = shell("echo why >&2; exit 3", &folder, Duration::ZERO);
        assert_eq!(child.ended().await, "ended with exit status: 3");
        assert_eq!(child.last_words(), "why");
        assert!(!child.is_running());
        assert!(child.signal(rustix::process::Signal::USR1).is_err());
    }

    #[tokio::test]
    async fn a_child_that_does_not_listen_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap '' TERM; echo up >&2; while :; do sleep 0.1; done";
        let child = shell(script, &folder, Duration::from_millis(50));
        while child.last_words() != "up" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(child.is_running());
        child.stop().await;
        assert!(!child.is_running());
    }
}
