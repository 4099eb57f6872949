//! SIGNAL_IEQ: the driver sends a software event to another function's queue.

use super::call::Signal;
use super::response::{Outcome, Payload, ResponseCode};
use crate::event::Event;
use crate::turn::Turn;

/// Carries out SIGNAL_IEQ.
///
/// The token of the event is the sender's GID, because the receiver answers to it (Linux 6.12 `smc_ism.c`).
/// Without the trigger flag, the event waits in the queue with its bits set, until the next interrupt.
pub(crate) fn send(turn: &mut Turn<'_>, signal: Signal) -> Outcome {
    let to = turn.state.by_gid(signal.gid);
    let to = to.ok_or(ResponseCode::NoSuchFunction)?;
    let sender = turn.own().config.gid;
    Event::software(sender, signal.code, signal.info, signal.trigger).deliver(turn, to)?;
    Ok(Payload::default())
}
