//! Stores into the command window, and the command that the last byte of a header starts.

use zpci_region::access::Store;
use zpci_region::judgement::{Judgement, Refusal};

use super::call::Call;
use super::request::Request;
use super::response::{Outcome, Payload, ResponseCode, image};
use super::table::Command;
use super::{dmb, info, judge, order, queues, signal, vlan};
use crate::record::CommandRecord;
use crate::turn::Turn;

pub(crate) fn store(turn: &mut Turn<'_>, store: &Store<'_>) -> Result<(), Refusal> {
    let state = &*turn.state;
    let function = &state[turn.id];
    let mut judgement = Judgement::new(&function.config.rules, turn.observer, store);
    order::store(&function.window, store, &mut judgement);
    // The window changes only when nothing refuses the store.
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
    if let Some(parsed) = parsed {
        let outcome = match parsed {
            Ok(whole) => run(turn, whole.call),
            Err(fault) => Err(fault.code()),
        };
        answer(turn, &request, outcome);
    }
    Ok(())
}

fn run(turn: &mut Turn<'_>, call: Call) -> Outcome {
    let done = Ok(Payload::default());
    match call {
        Call::RegSba { iova } => queues::register_sba(turn, iova),
        Call::UnregSba => queues::unregister_sba(turn),
        Call::RegIeq { iova, len } => queues::register_ieq(turn, iova, len),
        Call::UnregIeq => {
            // Succeeds without one, too: drivers keep the page if a teardown fails.
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
    let function = turn.own();
    let starved = code == ResponseCode::MissingPayload;
    function.window.answer(image.clone(), starved);
    let totals = &mut function.totals;
    totals.commands = totals.commands.saturating_add(1);
    if code != ResponseCode::Success {
        totals.failed_commands = totals.failed_commands.saturating_add(1);
    }
    turn.observer.command(&CommandRecord {
        function: turn.id,
        code: request.command(),
        name: Command::from_code(request.command()).map_or("UNKNOWN", Command::name),
        request: request.announced(),
        response_code: code.value(),
        response: &image,
    });
}
