//! The settings of a server, as plain values.

use std::path::PathBuf;
use std::time::Duration;

use crate::listen::Sources;
use crate::profile::Plan;
use crate::sandbox;

/// The settings of one server.
#[derive(Debug)]
pub struct ServeConfig {
    /// The functions to present.
    pub plan: Plan,
    /// The sockets on which clients reach the functions.
    pub sockets: SocketChoice,
    /// The file that records every access, command and violation.
    pub events: Option<EventLog>,
    /// The file that gets every message of every client, as pcapng.
    pub capture: Option<CaptureFile>,
    /// The file that gets the totals, as JSON.
    pub report: Option<PathBuf>,
    /// The UNIX socket that answers with the totals, as Prometheus text.
    pub metrics: Option<PathBuf>,
    /// The UNIX socket on which faults are changed while guests run.
    pub control: Option<PathBuf>,
    /// The rights that the process gives up before the first client.
    pub sandbox: sandbox::Mode,
    /// Time that a connection polls for the next message before it waits. Zero disables polling.
    pub poll: Duration,
}

/// The origin of the sockets.
#[derive(Debug)]
pub enum SocketChoice {
    /// One function: bind this path, and `PATH.insn` for its instruction channel.
    Path(PathBuf),
    /// Bind `DIR/NAME.sock` and `DIR/NAME.sock.insn` for each function.
    Folder(PathBuf),
    /// Use sockets that are open already: one for each function, perhaps also one for each channel.
    Open(Sources),
}

/// The event file and its size limit.
#[derive(Clone, Debug)]
pub struct EventLog {
    /// The path. An existing file is replaced.
    pub path: PathBuf,
    /// The file stops growing at this many bytes.
    pub limit: u64,
}

/// The capture file and its limits.
#[derive(Clone, Debug)]
pub struct CaptureFile {
    /// The path. An existing file is replaced.
    pub path: PathBuf,
    /// The file stops growing at this many bytes.
    pub limit: u64,
    /// Number of bytes that the file keeps of each message; `None` keeps all.
    pub keep: Option<u32>,
}
