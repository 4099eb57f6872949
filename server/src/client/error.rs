//! Why a connection ended.

use vfio_user_protocol::Malformed;
use vfio_user_ring::Fault;

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
    /// The ring beside the socket.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// A fault that was asked for.
    #[error("an injected fault closes the connection")]
    Fault,
    /// The system.
    #[error(transparent)]
    System(#[from] std::io::Error),
}

/// Why a ring is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The client wrote what makes no sense.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The client filled its eventfd while it was written.
    #[error("the client's eventfd of the ring is full, so the server cannot signal it")]
    Wake,
    /// A message does not come by the ring.
    #[error("{0} bytes came by the socket, expected every message through the ring")]
    Beside(usize),
    /// The system.
    #[error(transparent)]
    System(#[from] std::io::Error),
}
