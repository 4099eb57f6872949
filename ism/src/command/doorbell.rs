//! Stores into the command window, and the command that the last byte of a header starts.

use zpci_region::access::Store;
use zpci_region::judgement::{Judgement, Refusal};

use super::call::Call;
use super::request::Request;
use super::response::{Outcome, Payload, ResponseCode, image};
use super::{dmb, faulty, info, judge, order, queues, signal, vlan};
use crate::turn::Turn;

pub(crate) fn store(turn: &mut Turn<'_>, store: &Store<'_>) -> Result<(), Refusal> {
    let state = &*turn.state;
    let function = &state[turn.id];
    let mut judgement = Judgement::new(&function.config.rules, turn.observer, store);
    order::store(&function.window, store, &mut judgement);
    // The window changes only if nothing refuses the store.
    let request = function.window.with(store.offset, store.data);
    let parsed = request.is_complete().then(|| request.parse());
    if let Some(parsed) = &parsed {
        order::header(&request, parsed, &mut judgement);
        if let Ok(whole) = parsed {
            judge::call(state, turn.id, whole.call, &mut judgement);
        }
    }
    judgement.verdict()?;
    turn.own().window.keep(&request);
    let Some(parsed) = parsed else { return Ok(()) };
    let run = |turn: &mut Turn<'_>| match parsed {
        Ok(whole) => run(turn, whole.call),
        Err(fault) => Err(fault.code()),
    };
    if !turn.state.faults.is_empty() {
        let chance = faulty::chance(turn.state, turn.id, &request, &parsed);
        if let Some(action) = turn.fault(&chance) {
            return faulty::store(turn, &request, action, chance.peer, run);
        }
    }
    let outcome = run(turn);
    answer(turn, &request, outcome);
    Ok(())
}

fn run(turn: &mut Turn<'_>, call: Call) -> Outcome {
    let done = Ok(Payload::default());
    match call {
        Call::RegSba { iova } => queues::register_sba(turn, iova),
        Call::UnregSba => queues::unregister_sba(turn),
        Call::RegIeq { iova, len } => queues::register_ieq(turn, iova, len),
        Call::UnregIeq => {
            // UNREG_IEQ succeeds without an event queue too: a driver keeps the page if a teardown fails.
            turn.own().registered.ieq = None;
            done
        }
        Call::ReadGid => Ok(Payload::default().u64(turn.own().config.gid)),
        Call::QueryInfo => Ok(info::query(turn)),
        Call::AddVlanId { id } => vlan::add(turn, id),
        Call::DelVlanId { id } => vlan::delete(turn, id),
        Call::SetVlan | Call::ResetVlan => {
            turn.own().registered.vlan_required = call == Call::SetVlan;
            done
        }
        Call::QueryRgid { gid, vlan } => vlan::query_rgid(turn, gid, vlan),
        Call::RegDmb(buffer) => dmb::register(turn, buffer),
        Call::UnregDmb { token } => dmb::unregister(turn, token),
        Call::SignalIeq(signal) => signal::send(turn, signal),
    }
}

fn answer(turn: &mut Turn<'_>, request: &Request, outcome: Outcome) {
    let code = outcome.as_ref().err().copied();
    let code = code.unwrap_or(ResponseCode::Success);
    let image = image(request.command(), outcome);
    faulty::answer(turn, request, code.value(), &image);
}
