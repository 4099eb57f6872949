//! Runs commands in a guest, over virtio serial ports.
//!
//! The other side is a shell loop (`lab/guest/init`). A guest has a few slots, and a slot carries out
//! one command at a time over two ports: requests and standard output on one, standard error on
//! the other. Bytes travel as they are.
//!
//! - greeting, when the slot begins: `agent\n` on the first port;
//! - request: `TOKEN COMMAND\n`, the command in base64, the token 32 hexadecimal digits that no
//!   output can guess;
//! - answer: standard output, then `TOKEN STATUS\n`; standard error, then `TOKEN\n`.
//!
//! A command's standard input is empty. What it leaves running in the background must not keep its
//! standard output or error.
//!
//! A guest may reboot. The ports stay connected, the agent begins anew, and a command that was under way
//! has no answer. Before a slot is used again, an empty command tells where the new agent's answers
//! begin.

mod error;
mod scan;
mod slot;

use std::path::{Path, PathBuf};

use rustix::rand::{GetRandomFlags, getrandom};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Mutex, mpsc, watch};

use crate::error::Error;
pub(crate) use error::AgentError;
pub(crate) use scan::Sink;
use slot::Slot;

/// Number of commands that a guest can run at the same time.
pub(crate) const SLOTS: usize = 4;

const GREETING: &str = "agent";

/// The result of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit status of the command.
    pub status: u8,
    /// Standard output of the command.
    pub stdout: Vec<u8>,
    /// Standard error of the command.
    pub stderr: Vec<u8>,
}

/// The two ports of one slot, before QEMU has connected.
#[derive(Debug)]
struct Ports {
    stdout: UnixListener,
    stderr: UnixListener,
}

/// The sockets that QEMU connects its serial ports to.
#[derive(Debug)]
pub(crate) struct Listening {
    ports: Vec<Ports>,
    /// Names of the ports and paths of the sockets, in order.
    pub sockets: Vec<(String, PathBuf)>,
}

impl Listening {
    /// Makes the sockets. `path` gives the path for a port's name.
    ///
    /// # Errors
    /// A socket cannot be made.
    pub(crate) fn new(path: impl Fn(&str) -> PathBuf) -> Result<Self, Error> {
        let bind = |path: &Path| UnixListener::bind(path).map_err(Error::file("listen on", path));
        let mut made = Self {
            ports: Vec::new(),
            sockets: Vec::new(),
        };
        for slot in 0..SLOTS {
            let (out, err) = (format!("agent{slot}.stdout"), format!("agent{slot}.stderr"));
            let (out_path, err_path) = (path(&out), path(&err));
            made.ports.push(Ports {
                stdout: bind(&out_path)?,
                stderr: bind(&err_path)?,
            });
            made.sockets.extend([(out, out_path), (err, err_path)]);
        }
        Ok(made)
    }

    /// Waits for QEMU, then for the guest's greetings. `boots` changes at each reset of the guest.
    ///
    /// # Errors
    /// The guest ended, or says something else.
    pub(crate) async fn connected(&self, boots: watch::Receiver<u64>) -> Result<Agent, AgentError> {
        let gone = |_| AgentError::Gone;
        let mut streams = Vec::new();
        for ports in &self.ports {
            let (stdout, _) = ports.stdout.accept().await.map_err(gone)?;
            let (stderr, _) = ports.stderr.accept().await.map_err(gone)?;
            streams.push((stdout, stderr));
        }
        let (sender, free) = mpsc::unbounded_channel();
        for (stdout, stderr) in streams {
            let slot = greeted(stdout, stderr, *boots.borrow()).await?;
            // The receiver lives in this function.
            let _ = sender.send(slot);
        }
        Ok(Agent {
            sender,
            free: Mutex::new(free),
            boots,
        })
    }
}

async fn greeted(stdout: UnixStream, stderr: UnixStream, boot: u64) -> Result<Slot, AgentError> {
    let mut stdout = BufReader::new(stdout);
    let mut line = String::new();
    match stdout.read_line(&mut line).await {
        Ok(1..) => {}
        _ => return Err(AgentError::Gone),
    }
    if line.trim_end() != GREETING {
        return Err(AgentError::Garbled(line));
    }
    Ok(Slot {
        stdout,
        stderr,
        boot,
    })
}

/// The client of a guest's agent.
#[derive(Debug)]
pub(crate) struct Agent {
    sender: mpsc::UnboundedSender<Slot>,
    free: Mutex<mpsc::UnboundedReceiver<Slot>>,
    boots: watch::Receiver<u64>,
}

impl Agent {
    /// Waits for a free slot and runs a shell command in it. Output goes to the sinks as it comes. Returns
    /// the exit status.
    ///
    /// After a reboot of the guest it waits until the new agent answers.
    ///
    /// # Errors
    /// See [`AgentError`]. The slot is given up then, unless the guest rebooted, and when the call is.
    pub(crate) async fn run_to(
        &self,
        command: &str,
        stdout: impl Sink,
        stderr: impl Sink,
    ) -> Result<u8, AgentError> {
        let mut slot = {
            let mut free = self.free.lock().await;
            free.recv().await.ok_or(AgentError::Gone)?
        };
        let mut boots = self.boots.clone();
        self.meet(&mut slot, &mut boots).await?;
        let (token, boot) = (token()?, slot.boot);
        let result = tokio::select! {
            status = slot.run(&token, command, stdout, stderr) => status,
            () = boot_after(boot, &mut boots) => Err(AgentError::Rebooted),
        };
        if matches!(result, Ok(_) | Err(AgentError::Rebooted)) {
            // The receiver lives as long as this value.
            let _ = self.sender.send(slot);
        }
        result
    }

    /// Waits in `slot` for the agent of the guest's present boot.
    async fn meet(
        &self,
        slot: &mut Slot,
        boots: &mut watch::Receiver<u64>,
    ) -> Result<(), AgentError> {
        loop {
            let now = *boots.borrow_and_update();
            if slot.boot == now {
                return Ok(());
            }
            let token = token()?;
            tokio::select! {
                met = slot.meet(&token) => {
                    met?;
                    slot.boot = now;
                }
                // The guest may reboot again in the meantime.
                () = boot_after(now, boots) => {}
            }
        }
    }

    /// Runs a shell command and collects its output.
    ///
    /// # Errors
    /// As [`Agent::run_to`].
    pub(crate) async fn run(&self, command: &str) -> Result<Output, AgentError> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let status = self.run_to(command, &mut stdout, &mut stderr).await?;
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }
}

/// Waits for a boot after `boot`. Waits for ever if QEMU has ended.
async fn boot_after(boot: u64, boots: &mut watch::Receiver<u64>) {
    if boots.wait_for(|now| *now != boot).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A random token of 32 hexadecimal digits.
fn token() -> Result<String, AgentError> {
    let mut bytes = [0; 16];
    getrandom(&mut bytes, GetRandomFlags::empty())
        .map_err(|error| AgentError::Output(error.into()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests;
