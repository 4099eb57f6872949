//! A fault's orders to the server around the fabric. The fabric has neither clock nor sockets.

use crate::id::FunctionId;
use crate::layout::DataAddress;

/// Something that a fault wants of the server, carried out once the access is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Hand this back to [`Fabric::late`](crate::Fabric::late) after so many milliseconds.
    Later(u32, Later),
    /// The reply to the message under way, and all behind it, wait so many milliseconds.
    Hold(FunctionId, u32),
    /// The function enters the error state.
    Fail(FunctionId),
    /// The function answers nothing any more: loads read ones, stores are lost.
    Vanish(FunctionId),
    /// The function works again, in the state after power-on.
    ComeBack(FunctionId),
    /// Its clients' connections close.
    Close(FunctionId),
    /// Every connection closes, every function is as after power-on, and nobody is accepted for so
    /// many milliseconds.
    Restart(u32),
}

/// Part of an access that is carried out later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Later(pub(crate) Due);

/// The work that is due later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// A move, or only its data.
    Move {
        writer: FunctionId,
        address: DataAddress,
        data: Vec<u8>,
        /// Whether its signal comes now, too.
        signal: bool,
    },
    /// Interrupts, so many milliseconds apart.
    Interrupts {
        to: FunctionId,
        times: u32,
        interval_ms: u32,
    },
}
