// SPDX-License-Identifier: GPL-2.0-or-later
//! Errors of a server's instruction channel.

use std::io;
use std::time::Duration;

use thiserror::Error;
use vfio_user_protocol::Errno;

/// The error that makes a channel unusable.
#[derive(Debug, Error)]
pub(crate) enum ChannelError {
    /// No server listens at the socket.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("the socket failed: {0}")]
    Socket(io::Error),
    /// The server closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// The server did not answer in time.
    #[error("the server did not answer within {0:?}")]
    Silent(Duration),
    /// The server's answer is malformed.
    #[error("the server's answer is malformed: {0}")]
    Nonsense(String),
    /// The server wrote invalid values into the ring.
    #[error("the server broke the ring: {0}")]
    Ring(#[from] vfio_user_ring::Fault),
    /// The server refused a request that the plugin needs.
    #[error("the server refused {what}: {errno}")]
    Refused {
        what: &'static str,
        /// The errno of the answer.
        errno: Errno,
    },
    /// The server's description of the function is incomplete.
    #[error("the plugin cannot use the server's function: {0}")]
    Unusable(String),
}
