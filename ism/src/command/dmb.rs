//! The commands REG_DMB and UNREG_DMB.

use super::call::Buffer;
use super::response::{Outcome, Payload, ResponseCode};
use crate::dmb::Dmb;
use crate::layout::SBA_INDEXES;
use crate::turn::Turn;

/// Carries out REG_DMB. The response carries the token. The command also accepts memory that crosses a MiB
/// boundary: only the rule `bad-dmb-memory` reports that.
pub(crate) fn register(turn: &mut Turn<'_>, buffer: Buffer) -> Outcome {
    let Buffer {
        iova,
        len,
        index,
        rgid,
    } = buffer;
    let owner = turn.id;
    let bytes = usize::try_from(len).map_err(|_| ResponseCode::BadValue)?;
    if !Dmb::fits(iova, len) || !SBA_INDEXES.contains(&index) {
        return Err(ResponseCode::BadValue);
    }
    if turn.state.dmbs.at_index(owner, index).is_some() {
        return Err(ResponseCode::IndexInUse);
    }
    turn.host
        .check_writable(owner, iova, bytes)
        .map_err(|_| ResponseCode::MemoryNotReachable)?;
    let dmb = Dmb {
        owner,
        rgid,
        iova,
        len,
        index,
    };
    let token = turn.state.enter(dmb).ok_or(ResponseCode::NoResources)?;
    Ok(Payload::default().u64(token))
}

/// Carries out UNREG_DMB. An unknown token succeeds: a driver takes any failure to mean that the memory is
/// still in use, and would keep the memory for ever.
pub(crate) fn unregister(turn: &mut Turn<'_>, token: u64) -> Outcome {
    let dmb = turn.state.dmbs.get(token);
    if dmb.is_some_and(|dmb| dmb.owner != turn.id) {
        return Err(ResponseCode::NotOwned);
    }
    turn.state.leave(token);
    Ok(Payload::default())
}
