// SPDX-License-Identifier: GPL-2.0-or-later
//! How a server's instruction channel fails.

use std::io;
use std::time::Duration;

use thiserror::Error;
use vfio_user_protocol::Errno;

/// Why a channel is of no use, or of no more use.
#[derive(Debug, Error)]
pub(crate) enum ChannelError {
    /// Nobody there.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// The socket failed.
    #[error("the socket failed: {0}")]
    Socket(io::Error),
    /// The server closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// No answer in time.
    #[error("the server did not answer within {0:?}")]
    Silent(Duration),
    /// An answer that is none.
    #[error("the server's answer is malformed: {0}")]
    Nonsense(String),
    /// The ring was scribbled over.
    #[error("the server broke the ring: {0}")]
    Ring(#[from] vfio_user_ring::Fault),
    /// The server does not offer what is needed.
    #[error("the server refused {what}: {errno}")]
    Refused {
        what: &'static str,
        /// Its answer.
        errno: Errno,
    },
    /// The device info lacks something.
    #[error("the plugin cannot use the server's function: {0}")]
    Unusable(String),
}
