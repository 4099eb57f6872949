//! Commands into which a fault is injected.

use zpci_region::judgement::Refusal;

use super::call::{Buffer, Call, Signal};
use super::request::{Fault, Request, Whole};
use super::response::{Outcome, ResponseCode, image, image_with_code};
use super::table::Command;
use crate::fault::action::Action;
use crate::fault::armed::Chance;
use crate::fault::order::Order;
use crate::fault::site::Site;
use crate::fault::whole::{self, Access};
use crate::id::FunctionId;
use crate::layout::HEADER_LEN;
use crate::record::CommandRecord;
use crate::state::State;
use crate::turn::Turn;

/// Describes a command by the facts that a fault can match.
pub(super) fn chance(
    state: &State,
    id: FunctionId,
    request: &Request,
    parsed: &Result<Whole, Fault>,
) -> Chance<'static> {
    let mut chance = Chance {
        command: Some(request.command()),
        ..Chance::at(Site::Command, id, None)
    };
    let gid = match parsed.as_ref().map(|whole| whole.call) {
        Ok(Call::QueryRgid { gid, .. } | Call::SignalIeq(Signal { gid, .. })) => Some(gid),
        Ok(Call::RegDmb(Buffer { index, rgid, .. })) => {
            chance.index = Some(index);
            Some(rgid)
        }
        Ok(Call::UnregDmb { token }) => {
            chance.token = Some(token);
            let dmb = state.dmbs.get(token);
            chance.index = dmb.map(|dmb| dmb.index);
            dmb.map(|dmb| dmb.rgid)
        }
        _ => None,
    };
    chance.peer = gid.and_then(|gid| state.by_gid(gid));
    chance
}

/// Carries out a command with a fault. `run` carries out the command itself.
pub(super) fn store(
    turn: &mut Turn<'_>,
    request: &Request,
    action: Action,
    peer: Option<FunctionId>,
    run: impl FnOnce(&mut Turn<'_>) -> Outcome,
) -> Result<(), Refusal> {
    match whole::before(turn, action, peer) {
        Access::GoesOn => {}
        Access::Lost => {
            turn.own().window.keep_answer();
            return Ok(());
        }
        Access::Fails => return Err(whole::failed()),
    }
    let command = request.command();
    match action {
        Action::DropCommand {} => turn.own().window.keep_answer(),
        Action::Respond { code, carried_out } => {
            let outcome = if carried_out {
                run(turn)
            } else {
                Err(ResponseCode::Success)
            };
            answer(
                turn,
                request,
                code,
                &image_with_code(command, code, outcome),
            );
        }
        Action::EmptyResponse { loads, byte } => {
            let outcome = run(turn);
            let (code, image) = response(command, outcome);
            let blank = vec![byte; image.len()];
            answer(turn, request, code, &image);
            turn.own().window.hide(blank, loads);
        }
        Action::ResponseLength { length } => {
            let outcome = run(turn);
            let (code, mut image) = response(command, outcome);
            if let Some(field) = image.get_mut(HEADER_LEN - 2..HEADER_LEN) {
                field.copy_from_slice(&length.to_be_bytes());
            }
            answer(turn, request, code, &image);
        }
        _ => {
            let outcome = run(turn);
            let (code, image) = response(command, outcome);
            answer(turn, request, code, &image);
            if let Action::LateResponse { ms } = action {
                let order = Order::Hold(turn.id, ms);
                turn.host.order(order);
            }
        }
    }
    whole::after(turn, action, peer);
    Ok(())
}

/// Splits an outcome into the code and the bytes of the response.
fn response(command: u32, outcome: Outcome) -> (u16, Vec<u8>) {
    let code = outcome.as_ref().err().copied();
    let code = code.unwrap_or(ResponseCode::Success).value();
    (code, image(command, outcome))
}

/// Stores the response in the window and informs the observer.
pub(super) fn answer(turn: &mut Turn<'_>, request: &Request, code: u16, image: &[u8]) {
    let function = turn.own();
    let starved = code == ResponseCode::MissingPayload.value();
    function.window.answer(image.to_vec(), starved);
    let totals = &mut function.totals;
    totals.commands = totals.commands.saturating_add(1);
    if code != 0 {
        totals.failed_commands = totals.failed_commands.saturating_add(1);
    }
    turn.observer.command(&CommandRecord {
        function: turn.id,
        code: request.command(),
        name: Command::from_code(request.command()).map_or("UNKNOWN", Command::name),
        request: request.announced(),
        response_code: code,
        response: image,
    });
}
