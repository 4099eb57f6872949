//! Moves into which a fault is injected, and delayed moves.

use zpci_region::access::Failure;
use zpci_region::judgement::Refusal;

use super::moved::{Bits, Moved};
use crate::fault::action::{Action, MoveErrno};
use crate::fault::order::{Due, Later, Order};
use crate::fault::whole::{self, Access};
use crate::layout::DataAddress;
use crate::turn::Turn;

/// Carries out a move with a fault.
pub(super) fn carry_out(
    turn: &mut Turn<'_>,
    moved: &Moved<'_>,
    action: Action,
) -> Result<(), Refusal> {
    let owner = Some(moved.dmb.owner);
    match whole::before(turn, action, owner) {
        Access::GoesOn => {}
        Access::Lost => return Ok(()),
        Access::Fails => return Err(whole::failed()),
    }
    // The fault may have just removed the owner's DMBs.
    if turn.state.dmbs.get(moved.address.token).is_none() {
        return Ok(());
    }
    let index = moved.dmb.index;
    let all = Bits::all(index);
    match action {
        Action::RefuseMove { errno } => return Err(refused(errno)),
        Action::LoseMove { error: true } => return Err(refused(MoveErrno::Eio)),
        Action::LoseMove { error: false } => {}
        Action::DelayMove { ms } => later(turn, moved, ms, moved.address.signal),
        Action::LateData { ms: 0 } => {
            moved.write(turn, &[], all)?;
            Moved {
                sba: None,
                ..*moved
            }
            .carry_out(turn)?;
        }
        Action::LateData { ms } => {
            moved.write(turn, &[], all)?;
            later(turn, moved, ms, false);
        }
        Action::LoseData {} => moved.write(turn, &[], all)?,
        Action::CutData { length } => {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let data = moved.data.get(..length).unwrap_or(moved.data);
            moved.write(turn, data, all)?;
        }
        Action::LoseMaskBit {} => moved.write(turn, moved.data, Bits { mask: None, ..all })?,
        Action::LoseDmbBit {} => moved.write(turn, moved.data, Bits { dmb: None, ..all })?,
        Action::LoseSummaryBit {} => {
            let bits = Bits {
                summary: false,
                ..all
            };
            moved.write(turn, moved.data, bits)?;
        }
        Action::WrongDmbBit { index: other } => {
            let other = other.unwrap_or(index ^ 1);
            moved.write(turn, moved.data, Bits::all(other))?;
        }
        Action::RepeatSignal { times } => {
            moved.carry_out(turn)?;
            for _ in 0..times {
                moved.write(turn, &[], all)?;
            }
        }
        _ => moved.carry_out(turn)?,
    }
    whole::after(turn, action, owner);
    Ok(())
}

fn later(turn: &mut Turn<'_>, moved: &Moved<'_>, ms: u32, signal: bool) {
    let due = Due::Move {
        writer: turn.id,
        address: moved.address,
        data: moved.data.to_vec(),
        signal,
    };
    turn.host.order(Order::Later(ms, Later(due)));
}

/// Carries out the delayed part of a move. It does nothing if the DMB is gone.
pub(crate) fn late(turn: &mut Turn<'_>, address: DataAddress, data: &[u8], signal: bool) {
    let Some(dmb) = turn.state.dmbs.get(address.token).copied() else {
        return;
    };
    let sba = turn.state[dmb.owner].registered.sba.filter(|_| signal);
    let moved = Moved {
        dmb,
        address,
        sba,
        data,
    };
    // Nobody waits for the result any more.
    let _ = moved.carry_out(turn);
}

fn refused(errno: MoveErrno) -> Refusal {
    Refusal {
        failure: match errno {
            MoveErrno::Eio => Failure::Io,
            MoveErrno::Efault => Failure::Fault,
            MoveErrno::Enodev => Failure::NoDevice,
            MoveErrno::Einval => Failure::Invalid,
        },
        rule: None,
        reason: "a fault refuses the move".to_owned(),
    }
}
