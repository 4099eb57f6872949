//! Actions that hit a whole function, at an access or at once.

use zpci_region::access::Failure;
use zpci_region::judgement::Refusal;

use super::action::{Action, Moment, Who};
use super::order::Order;
use crate::event::{Event, tell_peers};
use crate::id::FunctionId;
use crate::turn::Turn;

/// The outcome of an access at which an action hits the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// The access is carried out; [`after`] follows.
    GoesOn,
    /// The access is lost, and its client does not learn of it.
    Lost,
    /// The access fails, because the function is in the error state.
    Fails,
}

/// Builds the refusal of an access to a function that has just entered the error state.
pub(crate) fn failed() -> Refusal {
    Refusal {
        failure: Failure::Io,
        rule: None,
        reason: "a fault: the function entered the error state".to_owned(),
    }
}

/// Carries out the part that comes before the access; `peer` is the other function.
pub(crate) fn before(turn: &mut Turn<'_>, action: Action, peer: Option<FunctionId>) -> Access {
    let own = action.who() == Who::Function;
    match action {
        Action::ErrorState { moment, .. }
        | Action::Vanish { moment, .. }
        | Action::CloseConnection { moment, .. }
            if moment == Moment::Before =>
        {
            hit(turn, action, peer);
            match action {
                Action::ErrorState { .. } if own => Access::Fails,
                Action::Vanish { .. } | Action::CloseConnection { .. } if own => Access::Lost,
                _ => Access::GoesOn,
            }
        }
        Action::Restart { .. } => {
            hit(turn, action, peer);
            Access::Lost
        }
        _ => Access::GoesOn,
    }
}

/// Carries out the part that comes after the access.
pub(crate) fn after(turn: &mut Turn<'_>, action: Action, peer: Option<FunctionId>) {
    match action {
        Action::ErrorState { moment, .. }
        | Action::Vanish { moment, .. }
        | Action::CloseConnection { moment, .. }
            if moment == Moment::Before => {}
        Action::Restart { .. } => {}
        _ => hit(turn, action, peer),
    }
}

/// Carries out an action that hits a whole function. Any other action does nothing here.
pub(crate) fn hit(turn: &mut Turn<'_>, action: Action, peer: Option<FunctionId>) {
    let (target, other) = match action.who() {
        Who::Function => (Some(turn.id), peer),
        Who::Peer => (peer, Some(turn.id)),
    };
    let Some(target) = target else { return };
    match action {
        Action::SpuriousInterrupt { .. } => turn.interrupt(target),
        Action::InterruptStorm {
            times,
            interval_ms: 0,
            ..
        } => (0..times).for_each(|_| turn.interrupt(target)),
        Action::InterruptStorm {
            times, interval_ms, ..
        } => {
            turn.interrupt(target);
            turn.interrupt_later(target, times.saturating_sub(1), interval_ms, interval_ms);
        }
        Action::GidEvent {
            gid, code, times, ..
        } => {
            let gid = gid.map(|gid| gid.0);
            let Some(gid) = gid.or(other.map(|other| turn.state[other].config.gid)) else {
                return;
            };
            events(turn, target, times, |last| Event::device(gid, code, last));
        }
        Action::QueueEvent {
            event_type,
            code,
            token,
            info,
            times,
            ..
        } => events(turn, target, times, |last| {
            Event::of_type(event_type, code, token.0, info.0, last)
        }),
        Action::ErrorState { .. } => turn.host.order(Order::Fail(target)),
        Action::Vanish { .. } => {
            // Relations end without events: nobody is informed.
            turn.state.reset(target);
            turn.state.part(target);
            turn.state[target].gone = true;
            turn.host.order(Order::Vanish(target));
        }
        Action::ComeBack { gid, .. } => come_back(turn, target, gid.map(|gid| gid.0)),
        Action::CloseConnection { .. } => turn.host.order(Order::Close(target)),
        Action::Restart { ms } => {
            for id in turn.state.ids() {
                turn.state.reset(id);
                turn.state.part(id);
            }
            turn.host.order(Order::Restart(ms));
        }
        _ => {}
    }
}

/// Puts events into a queue; only the last one interrupts. A function without a queue misses them.
fn events(turn: &mut Turn<'_>, to: FunctionId, times: u32, event: impl Fn(bool) -> Event) {
    for n in 1..=times {
        let _ = event(n == times).deliver_as_is(turn, to);
    }
}

/// Puts a function back to the state after power-on, perhaps with another GID. If another function has that
/// GID, the function keeps its own.
fn come_back(turn: &mut Turn<'_>, target: FunctionId, gid: Option<u64>) {
    let id = std::mem::replace(&mut turn.id, target);
    turn.state.reset(target);
    tell_peers(turn);
    turn.id = id;
    if let Some(gid) = gid
        && turn.state.by_gid(gid).is_none()
    {
        turn.state[target].config.gid = gid;
    }
    turn.host.order(Order::ComeBack(target));
}
