//! Child processes for asynchronous code.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::watch;

use crate::error::Error;

/// A child whose stderr goes to a file. Dropping this value kills the child.
#[derive(Debug)]
pub(crate) struct Child {
    process: Arc<harness::Child>,
    patience: Duration,
    end: watch::Receiver<()>,
}

impl Child {
    /// Starts `command`, called `what` in errors, with its stderr in the file `log`. [`Child::stop`] gives it
    /// `patience` to end.
    ///
    /// # Errors
    /// The log cannot be made, or the program cannot be started.
    pub(crate) fn start(
        what: &str,
        mut command: Command,
        log: &Path,
        patience: Duration,
    ) -> Result<Self, Error> {
        command.stdin(Stdio::null());
        let program = command.get_program().to_owned();
        let process = harness::Child::start(command, log);
        let process = process.map_err(|source| Error::CannotStart {
            what: what.to_owned(),
            program,
            source,
        })?;
        Ok(Self::new(process, patience))
    }

    /// Takes over a running child.
    pub(crate) fn new(process: harness::Child, patience: Duration) -> Self {
        let process = Arc::new(process);
        let (running, end) = watch::channel(());
        let waited_for = Arc::clone(&process);
        std::thread::spawn(move || {
            waited_for.wait(Duration::MAX);
            drop(running);
        });
        Self {
            process,
            patience,
            end,
        }
    }

    /// Process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Whether the child is running.
    pub(crate) fn is_running(&self) -> bool {
        self.process.ended().is_none()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// The child has ended.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), Error> {
        let sent = self.process.signal(signal);
        sent.map_err(Error::system("signal a child process"))
    }

    /// Waits for the end of the child. Returns a text that says how it ended.
    pub(crate) async fn ended(&self) -> String {
        // The channel carries no values. It closes at the end of the child.
        let _ = self.end.clone().changed().await;
        match self.process.ended() {
            Some(status) => format!("ended with {status}"),
            None => "is gone".to_owned(),
        }
    }

    /// Asks the child to end, waits, and kills it if it does not end.
    pub(crate) async fn stop(&self) {
        // The child may have just ended, so an error does not matter.
        let _ = self.signal(Signal::TERM);
        // A stopped process gets the signal only when it goes on.
        let _ = self.signal(Signal::CONT);
        if tokio::time::timeout(self.patience, self.ended())
            .await
            .is_err()
        {
            self.process.kill();
        }
    }

    /// The last lines that the child wrote to stderr.
    pub(crate) fn last_words(&self) -> String {
        self.process.last_words()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.process.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::Child;
    use std::process::Command;
    use std::time::Duration;

    fn shell(script: &str, folder: &tempfile::TempDir, patience: Duration) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Child::start("a shell", command, &folder.path().join("log"), patience).unwrap()
    }

    #[tokio::test]
    async fn all_who_wait_hear_of_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let child = shell("echo why >&2; exit 3", &folder, Duration::ZERO);
        let both = tokio::join!(child.ended(), child.ended());
        assert_eq!(both.0, "ended with exit status: 3");
        assert_eq!(both.0, both.1);
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

    #[tokio::test]
    async fn a_stopped_child_ends_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap 'exit 7' TERM; echo up >&2; while :; do sleep 0.1; done";
        let child = shell(script, &folder, Duration::from_secs(60));
        while child.last_words() != "up" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        child.signal(rustix::process::Signal::STOP).unwrap();
        child.stop().await;
        assert_eq!(child.ended().await, "ended with exit status: 7");
    }
}
