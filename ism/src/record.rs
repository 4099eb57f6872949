//! Records of commands, moves and events, and the observer that receives them.

use zpci_region::Observer;

use crate::fault::armed::FaultRecord;
use crate::id::FunctionId;

/// A command that was carried out or answered with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandRecord<'a> {
    /// The function that issued it.
    pub function: FunctionId,
    /// The code in the request header.
    pub code: u32,
    /// The command's name; `UNKNOWN` for a code that ISM does not have.
    pub name: &'static str,
    /// The request as the device took it, big-endian: the header, and as much payload as it announced (at
    /// most 256 bytes in all).
    pub request: &'a [u8],
    /// The response code; see [`ResponseCode`](crate::ResponseCode).
    pub response_code: u16,
    /// The response, big-endian: 8, 16 or 200 bytes.
    pub response: &'a [u8],
}

/// A store into a DMB that was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoveRecord {
    /// The function that wrote.
    pub function: FunctionId,
    /// The function that owns the memory.
    pub owner: FunctionId,
    /// Token of the DMB that was written.
    pub token: u64,
    /// Offset of the first byte in the DMB.
    pub offset: u32,
    /// Number of bytes written.
    pub len: usize,
    /// The element index of the move.
    pub element: u8,
    /// True if the store carried the signal flag.
    pub signal: bool,
    /// True if the device signalled the owner: the store asked for it, and the owner has an SBA.
    pub signalled: bool,
}

/// An event for a function's event queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// The function that caused it.
    pub from: FunctionId,
    /// The function whose queue is to receive it.
    pub to: FunctionId,
    /// The type: 0 buffer, 1 device, 2 software.
    pub event_type: u32,
    /// The code within the type.
    pub code: u32,
    /// A token or a GID, depending on the type.
    pub token: u64,
    /// Eight bytes that the sender of a software event chooses.
    pub info: u64,
    /// True if the event reached the queue: the receiver has one, and its memory can be written.
    pub delivered: bool,
}

/// Receives violations, commands, moves and events, in the order in which they happen.
pub trait DeviceObserver: Observer {
    /// A command was answered.
    fn command(&mut self, record: &CommandRecord<'_>);

    /// A data move was carried out.
    fn data_move(&mut self, record: &MoveRecord);

    /// An event was put into a queue, or could not be.
    fn event(&mut self, record: &EventRecord);

    /// An interrupt was raised, by `vector` of `function`.
    fn interrupt(&mut self, function: FunctionId, vector: u16);

    /// A fault was injected.
    fn fault(&mut self, _record: &FaultRecord<'_>) {}
}
