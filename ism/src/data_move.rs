//! Data moves: a store into BAR 0 writes into a DMB, perhaps another guest's, and may signal it.
//!
//! A store is carried out whole or not at all, in the order in which the receiver may look: data,
//! element mask, DMB bit, summary bit, interrupt (Linux 6.12 clears the summary bit first, then
//! scans DMB bits, then reads the mask).

use zpci_region::access::{Failure, Refusal, Store};

use crate::FunctionId;
use crate::dmb::Dmb;
use crate::fabric::{Fabric, no_function};
use crate::finding::{Place, judge};
use crate::host::{Host, MemoryError};
use crate::layout::{DataAddress, SBA_SUMMARY, dmb_bit, dmb_mask, element_bit};
use crate::order;
use crate::record::{DeviceObserver, MoveRecord};

pub(crate) fn store(
    fabric: &mut Fabric,
    id: FunctionId,
    store: &Store<'_>,
    host: &mut dyn Host,
    observer: &mut dyn DeviceObserver,
) -> Result<(), Refusal> {
    let address = DataAddress::decode(store.offset);
    let mut findings = Vec::new();
    let dmb = order::data::target(fabric, id, address, store.data.len(), &mut findings);
    let function = fabric.get(id).ok_or_else(|| no_function(id))?;
    let place = Place::from(store);
    let Some(dmb) = dmb else {
        judge(findings, place, &function.config.rules, observer)?;
        return Err(impossible(address));
    };
    let sba = fabric
        .get(dmb.owner)
        .and_then(|owner| owner.registered.sba)
        .filter(|_| address.signal);
    if address.signal && sba.is_none() {
        findings.push(order::data::no_sba(fabric, &dmb, address));
    }
    let piece = order::data::Piece::new(address, store.data.len());
    function.moves.judge(piece, &mut findings);
    let smcd = order::smcd::enabled(&function.config.rules)
        .then(|| function.smcd.judge(&dmb, piece, store.data, &mut findings));
    judge(findings, place, &function.config.rules, observer)?;

    write(host, &dmb, address, sba, store.data)
        .map_err(|error| unreachable(fabric, &dmb, &error))?;
    if sba.is_some() {
        fabric.interrupt(dmb.owner, host, observer);
    }
    if let Some(function) = fabric.get_mut(id) {
        function.moves.note(piece);
        if let Some(connection) = smcd {
            function.smcd.note(piece.token, connection);
        }
        let totals = &mut function.totals;
        totals.moves = totals.moves.saturating_add(1);
        totals.moved_bytes = totals.moved_bytes.saturating_add(store.data.len() as u64);
        totals.signals = totals.signals.saturating_add(u64::from(address.signal));
    }
    observer.data_move(&MoveRecord {
        function: id,
        owner: dmb.owner,
        token: address.token,
        offset: address.offset,
        len: store.data.len(),
        element: address.element,
        signal: address.signal,
        signalled: sba.is_some(),
    });
    Ok(())
}

/// Writes data and bits; checks first that all of them can be written.
fn write(
    host: &mut dyn Host,
    dmb: &Dmb,
    address: DataAddress,
    sba: Option<u64>,
    data: &[u8],
) -> Result<(), MemoryError> {
    let owner = dmb.owner;
    // Inside the DMB, whose end does not overflow.
    let target = dmb.iova.wrapping_add(u64::from(address.offset));
    let (bit_at, bit) = dmb_bit(dmb.index);
    let mask_at = dmb_mask(dmb.index);
    host.check_writable(owner, target, data.len())?;
    if let Some(sba) = sba {
        // The SBA is one aligned page: what can be written of it can be written in whole.
        host.check_writable(owner, sba, 1)?;
    }
    host.write(owner, target, data)?;
    if let Some(sba) = sba {
        host.set_bits_be16(
            owner,
            sba.wrapping_add(mask_at),
            element_bit(address.element),
        )?;
        host.set_bits(owner, sba.wrapping_add(bit_at), bit)?;
        host.set_bits(owner, sba, SBA_SUMMARY)?;
    }
    Ok(())
}

fn unreachable(fabric: &Fabric, dmb: &Dmb, error: &MemoryError) -> Refusal {
    Refusal {
        failure: Failure::Io,
        rule: None,
        reason: format!(
            "data move into memory of {}: {error}",
            fabric.name(dmb.owner)
        ),
    }
}

/// The move has no target; the findings have said so and always refuse it.
fn impossible(address: DataAddress) -> Refusal {
    Refusal {
        failure: Failure::Io,
        rule: None,
        reason: format!("data move to {:#x} cannot be carried out", address.token),
    }
}
