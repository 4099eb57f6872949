//! The commands REG_SBA, UNREG_SBA and REG_IEQ, for the page of summary bits and the event queue.

use zpci_region::access::PAGE;

use super::response::{Outcome, Payload, ResponseCode};
use crate::event::tell_peers;
use crate::function::EventQueue;
use crate::layout::{IEQ_LEN, SBA_LEN};
use crate::turn::Turn;

pub(crate) fn register_sba(turn: &mut Turn<'_>, iova: u64) -> Outcome {
    let registered = &mut turn.state[turn.id].registered;
    if registered.sba.is_some() {
        return Err(ResponseCode::AlreadyRegistered);
    }
    if !iova.is_multiple_of(PAGE) {
        return Err(ResponseCode::BadValue);
    }
    turn.host
        .check_bits(turn.id, iova, SBA_LEN)
        .map_err(|_| ResponseCode::MemoryNotReachable)?;
    registered.sba = Some(iova);
    Ok(Payload::default())
}

/// Carries out UNREG_SBA. The command succeeds without an SBA too: a driver keeps the page if a teardown
/// fails. Without summary bits nobody can signal the function any more, so its peers get an event.
pub(crate) fn unregister_sba(turn: &mut Turn<'_>) -> Outcome {
    if turn.own().registered.sba.take().is_some() {
        tell_peers(turn);
    }
    Ok(Payload::default())
}

/// Carries out REG_IEQ. The queue must hold a header and 15 entries; the function writes all of them.
pub(crate) fn register_ieq(turn: &mut Turn<'_>, iova: u64, len: u64) -> Outcome {
    let registered = &mut turn.state[turn.id].registered;
    if registered.ieq.is_some() {
        return Err(ResponseCode::AlreadyRegistered);
    }
    if !iova.is_multiple_of(PAGE) || len != IEQ_LEN {
        return Err(ResponseCode::BadValue);
    }
    let bytes = usize::try_from(len).map_err(|_| ResponseCode::BadValue)?;
    turn.host
        .check_writable(turn.id, iova, bytes)
        .map_err(|_| ResponseCode::MemoryNotReachable)?;
    registered.ieq = Some(EventQueue { iova, events: 0 });
    Ok(Payload::default())
}
