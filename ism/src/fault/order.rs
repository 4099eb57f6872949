//! A fault's orders to the server around the fabric. The fabric has neither clock nor sockets.

use crate::id::FunctionId;
use crate::layout::DataAddress;

/// An action that a fault requests of the server. The server carries it out once the access is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Call [`Fabric::late`](crate::Fabric::late) with this work after so many milliseconds.
    Later(u32, Later),
    /// Delay the reply to the current message, and all later replies, by so many milliseconds.
    Hold(FunctionId, u32),
    /// The function enters the error state.
    Fail(FunctionId),
    /// The function answers nothing any more: loads read ones, stores are lost.
    Vanish(FunctionId),
    /// The function works again, in the state after power-on.
    ComeBack(FunctionId),
    /// Close the connections of the function's clients.
    Close(FunctionId),
    /// Close every connection, put every function back to the state after power-on, and accept nobody for so
    /// many milliseconds.
    Restart(u32),
}

/// A part of an access that is carried out later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Later(pub(crate) Due);

/// The work that is delayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// A move, or only its data.
    Move {
        writer: FunctionId,
        address: DataAddress,
        data: Vec<u8>,
        /// True if the signal also comes now.
        signal: bool,
    },
    /// Interrupts, with so many milliseconds between two of them.
    Interrupts {
        to: FunctionId,
        times: u32,
        interval_ms: u32,
    },
}
