//! Why a connection ended.

use vfio_user_protocol::Malformed;

/// Why a connection ended, other than by the client closing it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// A message that cannot be understood.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The stream ended inside a message.
    #[error("the stream ended {got} bytes into a message")]
    Truncated {
        /// Bytes of the message that came.
        got: usize,
    },
    /// A fault that was asked for.
    #[error("a fault closes it")]
    Fault,
    /// The system.
    #[error(transparent)]
    System(#[from] std::io::Error),
}
