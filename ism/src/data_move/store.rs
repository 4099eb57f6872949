//! Data moves: a store into BAR 0 writes into a DMB, perhaps another guest's, and may signal it.
//!
//! A store is carried out whole or not at all, in the order in which the receiver may look: data, element
//! mask, DMB bit, summary bit, interrupt. (Linux 6.12 clears the summary bit first, then scans the DMB bits,
//! then reads the mask.)

use zpci_region::Rule;
use zpci_region::access::Store;
use zpci_region::judgement::{Judgement, Refusal};

use super::moved::{Moved, failed};
use super::order::{MoveOrder, Piece};
use super::smcd::Other;
use super::{faulty, target};
use crate::id::FunctionId;
use crate::layout::DataAddress;
use crate::state::State;
use crate::turn::Turn;

pub(crate) fn store(turn: &mut Turn<'_>, store: &Store<'_>) -> Result<(), Refusal> {
    let address = DataAddress::decode(store.offset);
    let outcome = carry_out(turn, store, address);
    // The driver stores a move that was refused again, from its first piece.
    if let Err(refusal) = &outcome
        && !refusal.rule.is_some_and(MoveOrder::judges)
        && let Some(moves) = &mut turn.own().moves
    {
        moves.forget(address.token);
    }
    outcome
}

fn carry_out(turn: &mut Turn<'_>, store: &Store<'_>, address: DataAddress) -> Result<(), Refusal> {
    let state = &*turn.state;
    let function = &state[turn.id];
    let rules = &function.config.rules;
    let mut judgement = Judgement::new(rules, turn.observer, store);
    let len = store.data.len();
    let Some(dmb) = target::find(state, turn.id, store.offset, len, &mut judgement) else {
        judgement.verdict()?;
        // Every rule that leaves a move without a target refuses it.
        return Err(failed(format!(
            "data move to {:#x} has no target",
            address.token
        )));
    };
    let sba = state[dmb.owner].registered.sba.filter(|_| address.signal);
    if address.signal && sba.is_none() {
        judgement.broken(Rule::SignalWithoutSba, || {
            let owner = state.name(dmb.owner);
            format!(
                "signal to the DMB {:#x}: its owner {owner} has no SBA",
                address.token
            )
        });
    }
    let piece = Piece::new(address, len);
    if let Some(moves) = &function.moves {
        moves.judge(piece, &mut judgement);
    }
    let smcd = function.smcd.as_ref().map(|smcd| {
        let others = || others(state, turn.id, dmb.owner);
        smcd.judge(&dmb, piece, store.data, others, &mut judgement)
    });
    judgement.verdict()?;

    let moved = Moved {
        dmb,
        address,
        sba,
        data: store.data,
    };
    let fault = match turn.state.faults.is_empty() {
        true => None,
        false => turn.fault(&moved.chance(turn.id)),
    };
    match fault {
        None => moved.carry_out(turn)?,
        Some(action) => faulty::carry_out(turn, &moved, action)?,
    }
    // The state below describes the client, which issued this move whatever its outcome.
    let function = turn.own();
    if let Some(moves) = &mut function.moves {
        moves.note(piece);
    }
    if let (Some(smcd), Some(connection)) = (&mut function.smcd, smcd) {
        smcd.note(piece.token, connection);
    }
    let totals = &mut function.totals;
    totals.moves = totals.moves.saturating_add(1);
    totals.moved_bytes = totals.moved_bytes.saturating_add(len as u64);
    totals.signals = totals.signals.saturating_add(u64::from(address.signal));
    Ok(())
}

/// Lists the DMBs through which `owner` may answer the messages of `writer`.
fn others(state: &State, writer: FunctionId, owner: FunctionId) -> Vec<Other> {
    let peer = &state[owner];
    state
        .dmbs
        .iter()
        .filter(|(_, dmb)| dmb.owner == writer && dmb.rgid == peer.config.gid)
        .map(|(token, dmb)| Other::new(dmb, peer.smcd.as_ref(), token))
        .collect()
}
