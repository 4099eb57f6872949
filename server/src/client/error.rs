//! Errors that end a connection.

use vfio_user_protocol::Malformed;
use vfio_user_ring::Fault;

/// The error that ended a connection, other than the client closing it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The client sent a message that makes no sense.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The stream ended inside a message.
    #[error("the stream ended {got} bytes into a message")]
    Truncated {
        /// Number of bytes of the message that arrived.
        got: usize,
    },
    /// The ring beside the socket failed.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// Nobody answers the message that was sent by the twin socket.
    #[error("the client closed its twin socket, and a DMA_READ or DMA_WRITE there is not answered")]
    TwinClosed,
    /// An injected fault closes the connection.
    #[error("an injected fault closes the connection")]
    Fault,
    /// A system call failed.
    #[error(transparent)]
    System(#[from] std::io::Error),
}

/// The error that makes a ring unusable.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The client wrote invalid positions or records into the ring.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The client filled its eventfd while the server signalled it.
    #[error("the client's eventfd of the ring is full, so the server cannot signal it")]
    Wake,
    /// A message came by the socket instead of the ring; the number is its bytes.
    #[error("{0} bytes came by the socket, expected every message through the ring")]
    Beside(usize),
    /// A system call failed.
    #[error(transparent)]
    System(#[from] std::io::Error),
}
