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
    /// The time that a connection looks for the next message before it sleeps. Zero only sleeps.
    pub poll: Duration,
}

/// The place where the sockets come from.
#[derive(Debug)]
pub enum SocketChoice {
    /// One function: bind this path, and `PATH.insn` for its instruction channel.
    Path(PathBuf),
    /// Bind `DIR/NAME.sock` and `DIR/NAME.sock.insn` for each function.
    Folder(PathBuf),
    /// Sockets that are open already: one for each function, or one and a channel for each.
    Open(Sources),
}

/// The destination of events.
#[derive(Clone, Debug)]
pub struct EventLog {
    /// The file. An existing one is replaced.
    pub path: PathBuf,
    /// The file stops growing at this many bytes.
    pub limit: u64,
}

/// The destination of messages.
#[derive(Clone, Debug)]
pub struct CaptureFile {
    /// The file. An existing one is replaced.
    pub path: PathBuf,
    /// The file stops growing at this many bytes.
    pub limit: u64,
    /// Bytes that are kept of each message; all without.
    pub keep: Option<u32>,
}
