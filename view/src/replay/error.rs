//! The reasons why a capture cannot be replayed.

use std::path::PathBuf;

use vfio_user_capture::ReadError;

/// A reason why a capture cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file cannot be opened.
    #[error("cannot read {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The file is no capture.
    #[error("{}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The fault.
        #[source]
        source: ReadError,
    },
    /// The capture holds nothing to send.
    #[error("{}: no message of a client in it", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A packet does not have our format, or is incomplete.
    #[error("{}, packet {packet}: {what}", path.display())]
    Packet {
        /// The file.
        path: PathBuf,
        /// Number of the packet, from 1.
        packet: usize,
        /// The fault, and the expected value.
        what: String,
    },
    /// The server cannot be reached.
    #[error("function {function:?} of the capture: cannot connect to {}; does the profile have it?", path.display())]
    Connect {
        /// The name of the function.
        function: String,
        /// The socket.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
}
