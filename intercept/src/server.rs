//! The server under which the guest runs: this program's own `serve`, as a child process.

use crate::process::{self, Process};
use std::io::{BufRead, BufReader};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::time::Duration;
use thiserror::Error;

/// How long the server may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no server.
#[derive(Debug, Error)]
pub enum ServerError {
    /// It cannot be started.
    #[error("cannot start the server {}", path.display())]
    Start {
        /// The program.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It ended, or said nothing.
    #[error("the server did not get ready, saying: {message}")]
    NotReady {
        /// Its last words.
        message: String,
    },
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    process: Process,
    /// Where QEMU connects.
    pub socket: PathBuf,
    /// Where what executes instructions in QEMU's place connects.
    pub channel: PathBuf,
    /// Where the server writes what the device saw.
    pub events: PathBuf,
}

impl Server {
    /// Starts `program serve` in `folder` and waits until clients can connect.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub fn start(
        program: &Path,
        profile: Option<&Path>,
        folder: &Path,
    ) -> Result<Self, ServerError> {
        let start = |source| ServerError::Start {
            path: program.to_owned(),
            source,
        };
        let socket = folder.join("ism0.sock");
        let events = folder.join("events.jsonl");
        let (ready, writer) = std::io::pipe().map_err(start)?;
        rustix::io::fcntl_setfd(&writer, rustix::io::FdFlags::empty())
            .map_err(|error| start(error.into()))?;
        let mut command = process::command(program);
        command.arg("serve");
        if let Some(profile) = profile {
            command.arg("--profile").arg(profile);
        }
        command
            .arg("--socket-path")
            .arg(&socket)
            .arg("--events")
            .arg(&events);
        command
            .arg("--ready-fd")
            .arg(writer.as_raw_fd().to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut process = Process::start(command, &folder.join("server.log")).map_err(start)?;
        // Only the child holds the writing end now, so that its end is seen.
        drop(writer);
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            // An end without a line leaves it empty, which is the answer.
            let _ = BufReader::new(ready).read_line(&mut line);
            let _ = sender.send(line);
        });
        match receiver.recv_timeout(PATIENCE) {
            Ok(line) if line.trim() == "ready" => Ok(Self {
                process,
                channel: folder.join("ism0.sock.insn"),
                socket,
                events,
            }),
            _ => {
                process.wait(Duration::from_millis(200));
                Err(ServerError::NotReady {
                    message: process.log_tail(),
                })
            }
        }
    }

    /// Ends the server, so that its event file is whole.
    pub fn stop(&mut self) {
        self.process.stop(PATIENCE);
    }
}
