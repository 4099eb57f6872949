//! Child processes: logs, bounded waits, and an end that is certain.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How often a child is asked whether it ended.
const POLL: Duration = Duration::from_millis(2);

/// The program that has children killed when this process ends.
static KEEPER: OnceLock<PathBuf> = OnceLock::new();

/// Has every program that [`command`] names from now on killed when this process ends, however that
/// comes: `program` is ours, which has a command for it.
pub fn keep_with(program: &Path) {
    let _ = KEEPER.set(program.to_owned());
}

/// A command line of `program`.
pub fn command(program: &Path) -> Command {
    let Some(keeper) = KEEPER.get() else {
        return Command::new(program);
    };
    let mut command = Command::new(keeper);
    command
        .arg("with-parent")
        .arg(std::process::id().to_string());
    command.arg(program);
    command
}

/// A running child whose stderr goes to a file; it is killed when this value goes.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its stderr in the file `log`.
    ///
    /// # Errors
    /// The log cannot be made or the program cannot be started.
    pub fn start(mut command: Command, log: &Path) -> io::Result<Self> {
        let child = command.stderr(Stdio::from(File::create(log)?)).spawn()?;
        Ok(Self {
            child,
            log: log.to_owned(),
        })
    }

    /// The child, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits so long for it to end.
    pub fn wait(&mut self, time: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + time;
        loop {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            if Instant::now() >= end {
                return None;
            }
            std::thread::sleep(POLL);
        }
    }

    /// Asks it to end, waits, and kills it if it does not.
    pub fn stop(&mut self, patience: Duration) {
        if self.ended().is_some() {
            return;
        }
        if let Some(id) = i32::try_from(self.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
        {
            // It may just have ended; then there is nothing to ask.
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        if self.wait(patience).is_none() {
            self.kill();
        }
    }

    fn kill(&mut self) {
        // Both fail only if it ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What it wrote to stderr, its last lines, without an end-of-line.
    pub fn log_tail(&self) -> String {
        tail(&self.log)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.kill();
        }
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines
        .get(lines.len().saturating_sub(8)..)
        .unwrap_or_default()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::Process;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    fn shell(script: &str, folder: &tempfile::TempDir) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::null());
        Process::start(command, &folder.path().join("log")).expect("sh starts")
    }

    #[test]
    fn a_child_that_ends_leaves_its_status_and_its_last_words() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = shell("echo why >&2; exit 3", &folder);
        let status = child.wait(Duration::from_secs(20)).expect("ends");
        assert_eq!(
            (status.code(), child.log_tail()),
            (Some(3), "why".to_owned())
        );
    }

    #[test]
    fn a_child_that_does_not_listen_is_killed() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = shell(
            "trap '' TERM; echo up >&2; while :; do sleep 0.1; done",
            &folder,
        );
        while child.log_tail() != "up" {
            assert_eq!(child.wait(Duration::from_millis(10)), None);
        }
        child.stop(Duration::from_millis(50));
        assert!(child.ended().is_some());
    }
}
