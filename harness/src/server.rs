//! Runs the program's own `serve` as a child process.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use thiserror::Error;

use crate::child::Child;
use crate::with_parent::command;

/// Longest time that the server may take to start, and to end, on a busy machine, too.
const PATIENCE: Duration = Duration::from_secs(120);

/// The reason why a server does not run.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The program cannot start.
    #[error("cannot start the server {}", path.display())]
    Start {
        /// Path of the program.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The server ended before it was ready, or printed nothing in time.
    #[error("the server did not get ready and said: {message}")]
    NotReady {
        /// The last lines of its log.
        message: String,
    },
}

/// The arguments for a server.
#[derive(Debug, Clone, Default)]
pub struct Serving {
    /// The program with the subcommand `serve`.
    pub program: PathBuf,
    /// The profile. `None` uses the built-in one.
    pub profile: Option<PathBuf>,
    /// The folder for the sockets.
    pub sockets: PathBuf,
    /// The event file.
    pub events: Option<PathBuf>,
    /// The capture file.
    pub capture: Option<PathBuf>,
    /// The file for the totals at the end.
    pub report: Option<PathBuf>,
    /// The control socket.
    pub control: Option<PathBuf>,
}

impl Serving {
    /// Starts the server with its stderr in the file `log`. It may not be ready yet.
    ///
    /// # Errors
    /// See [`ServerError::Start`].
    pub fn start(&self, log: &Path) -> Result<Starting, ServerError> {
        let mut command = command(&self.program);
        command.arg("serve").arg("--socket-dir").arg(&self.sockets);
        for (flag, path) in [
            ("--profile", &self.profile),
            ("--events", &self.events),
            ("--capture", &self.capture),
            ("--report", &self.report),
            ("--control", &self.control),
        ] {
            if let Some(path) = path {
                command.arg(flag).arg(path);
            }
        }
        command.args(["--ready-fd", "1"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = Child::start(command, log).map_err(|source| ServerError::Start {
            path: self.program.clone(),
            source,
        })?;
        let lines = lines(child.stdout.take());
        Ok(Starting { child, lines })
    }
}

/// A server that has started, but may not be ready yet.
#[derive(Debug)]
pub struct Starting {
    child: Child,
    lines: Receiver<String>,
}

impl Starting {
    /// Waits until clients can connect.
    ///
    /// # Errors
    /// See [`ServerError::NotReady`].
    pub fn ready(self) -> Result<Server, ServerError> {
        let end = Instant::now() + PATIENCE;
        let mut functions = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line == "ready" => break,
                Ok(line) => functions.extend(socket(&line)),
                Err(_) => {
                    // The last lines of the log may come just after the output ended.
                    self.child.wait(Duration::from_millis(200));
                    self.child.kill();
                    let message = self.child.last_words();
                    return Err(ServerError::NotReady { message });
                }
            }
        }
        let child = self.child;
        Ok(Server { child, functions })
    }
}

/// A server that clients can connect to. Dropping this value kills it.
#[derive(Debug)]
pub struct Server {
    /// The server's process.
    pub child: Child,
    /// The functions' sockets, in the order of the profile.
    pub functions: Vec<PathBuf>,
}

impl Server {
    /// The longest time that the server may take to end.
    pub const PATIENCE: Duration = PATIENCE;

    /// Returns the path of the instruction channel's socket of the function behind `socket`.
    pub fn channel(socket: &Path) -> PathBuf {
        let mut path = socket.as_os_str().to_owned();
        path.push(".insn");
        path.into()
    }

    /// Ends the server, so that its event file and its report are complete.
    pub fn stop(&self) {
        self.child.stop(PATIENCE);
    }
}

/// Reads the lines of a server's output to the end, because a full pipe would stop the server.
fn lines(stdout: Option<ChildStdout>) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let lines = stdout
            .map(BufReader::new)
            .into_iter()
            .flat_map(BufRead::lines);
        for line in lines.map_while(Result::ok) {
            // Nobody listens once the server is ready.
            let _ = sender.send(line);
        }
    });
    receiver
}

/// Returns the socket path in an announced line `-device '{...}'`.
fn socket(line: &str) -> Option<PathBuf> {
    let quoted = line.strip_prefix("-device '")?.strip_suffix('\'')?;
    let device: Value = serde_json::from_str(&quoted.replace(r"'\''", "'")).ok()?;
    Some(device["socket"]["path"].as_str()?.into())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Server, Serving, socket};

    #[test]
    fn sockets_are_read_from_what_is_announced() {
        let line = r#"-device '{"driver":"vfio-user-pci","id":"ism0","socket":{"path":"/a/it'\''s","type":"unix"}}'"#;
        assert_eq!(socket(line), Some("/a/it's".into()));
        assert_eq!(socket("-plugin file=x,forward=/a/it.insn"), None);
    }

    fn start(script: &str) -> Result<Server, String> {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        crate::write_script(&program, &format!("#!/bin/sh\n{script}\n")).unwrap();
        let serving = Serving {
            program,
            sockets: folder.path().to_owned(),
            ..Serving::default()
        };
        let starting = serving.start(&folder.path().join("log"));
        starting
            .and_then(super::Starting::ready)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_server_is_ready_when_it_says_so() {
        let device = r#"-device '\''{"socket":{"path":"/s"}}'\''"#;
        let server = start(&format!("echo '{device}'; echo ready; exec sleep 600")).unwrap();
        assert_eq!(server.functions, [Path::new("/s")]);
        assert_eq!(Server::channel(Path::new("/s")), Path::new("/s.insn"));
    }

    #[test]
    fn a_server_that_ends_early_is_quoted() {
        let error = start("echo no such profile >&2; exit 2").unwrap_err();
        assert_eq!(
            error,
            "the server did not get ready and said: no such profile"
        );
    }
}
