//! The server of the fabric: this program's own `serve`, as a child process.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use intercept::process;
use rustix::process::Signal;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::ChildStdout;

use crate::child::Child;
use crate::error::Error;
use crate::folder::Folder;

/// How long the server may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the server is started with.
#[derive(Debug)]
pub struct Serving<'a> {
    /// The program whose `serve` it is.
    pub program: &'a Path,
    /// The profile.
    pub profile: &'a Path,
    /// Events, if they are wanted.
    pub events: Option<&'a Path>,
    /// Messages, if they are wanted.
    pub capture: Option<&'a Path>,
    /// Where the totals go at the end.
    pub report: &'a Path,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// The functions' sockets, in the profile's order.
    pub functions: Vec<PathBuf>,
}

impl Server {
    /// Starts it and waits until clients can connect.
    ///
    /// # Errors
    /// It cannot be started, or does not get ready.
    pub async fn start(serving: &Serving<'_>, folder: &Folder) -> Result<Self, Error> {
        let mut command = process::command(serving.program);
        command.arg("serve").arg("--profile").arg(serving.profile);
        command.arg("--socket-dir").arg(folder.passing(""));
        command.arg("--report").arg(serving.report);
        if let Some(events) = serving.events {
            command.arg("--events").arg(events);
        }
        if let Some(capture) = serving.capture {
            command.arg("--capture").arg(capture);
        }
        command.args(["--ready-fd", "1"]).stdout(Stdio::piped());
        let log = folder.log("server.log");
        let (child, stdout) = Child::start("the server", command, &log, PATIENCE)?;
        let announced = tokio::time::timeout(PATIENCE, announcement(stdout)).await;
        match announced {
            Ok(Some(functions)) => Ok(Self { child, functions }),
            _ => {
                child.stop().await;
                Err(Error::Server {
                    how: "did not get ready".to_owned(),
                    words: child.last_words(),
                })
            }
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to write its report.
    ///
    /// # Errors
    /// It is gone.
    pub fn ask_for_report(&self) -> Result<(), Error> {
        self.child.signal(Signal::USR1)
    }

    /// Waits for an end that nobody asked for.
    pub async fn ended(&self) -> Error {
        Error::Server {
            how: self.child.ended().await,
            words: self.child.last_words(),
        }
    }

    /// Ends it, so that its report is written.
    pub async fn stop(&self) {
        self.child.stop().await;
    }
}

/// The sockets that the server announces before it says `ready`; none if it does not.
async fn announcement(stdout: Option<ChildStdout>) -> Option<Vec<PathBuf>> {
    let mut lines = BufReader::new(stdout?);
    let mut sockets = Vec::new();
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if line == "ready\n" {
            break;
        }
        sockets.extend(socket(&line));
    }
    // Nothing more is expected, but a server that says it must not be stopped by a full pipe.
    let rest = lines.into_inner().into_owned_fd().ok()?;
    drain(rest);
    Some(sockets)
}

fn drain(pipe: OwnedFd) {
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::fs::File::from(pipe), &mut std::io::sink());
    });
}

/// The socket in an announced `-device '{...}'`.
fn socket(line: &str) -> Option<PathBuf> {
    let quoted = line
        .trim_end()
        .strip_prefix("-device '")?
        .strip_suffix('\'')?;
    let device: Value = serde_json::from_str(&quoted.replace(r"'\''", "'")).ok()?;
    Some(device["socket"]["path"].as_str()?.into())
}

#[cfg(test)]
mod tests {
    use super::socket;

    #[test]
    fn sockets_are_read_from_what_is_announced() {
        let line = r#"-device '{"driver":"vfio-user-pci","id":"ism0","socket":{"path":"/a/it'\''s","type":"unix"}}'"#;
        assert_eq!(socket(line), Some("/a/it's".into()));
        assert_eq!(socket("-plugin file=x,forward=/a/it.insn"), None);
    }
}
