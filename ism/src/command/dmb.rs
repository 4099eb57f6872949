//! REG_DMB and UNREG_DMB.

use zpci_region::Rule;
use zpci_region::access::PAGE;

use super::{Call, Response, ResponseCode};
use crate::dmb::Dmb;
use crate::fabric::Fabric;
use crate::finding::Finding;
use crate::host::Host;
use crate::layout::{DMB_BOUNDARY, DMB_MAX_LEN, SBA_INDEXES};

/// The DMB that a REG_DMB describes: u64 address at 8, u32 length at 16, u32 SBA index at 20,
/// u32 VLAN valid at 24, u32 VLAN id at 28, u64 GID of the writer at 32.
///
/// The VLAN is not looked at: SMC fills in the id and leaves it invalid, always.
fn described(call: Call<'_>) -> Dmb {
    let fields = call.fields;
    Dmb {
        owner: call.function,
        iova: fields.u64(8),
        len: fields.u32(16),
        index: fields.u32(20),
        rgid: fields.u64(32),
    }
}

/// Whether length and alignment will do.
fn fits(dmb: &Dmb) -> bool {
    (1..=DMB_MAX_LEN).contains(&dmb.len)
        && dmb.iova.is_multiple_of(PAGE)
        && dmb.iova.checked_add(u64::from(dmb.len)).is_some()
}

fn crosses_boundary(dmb: &Dmb) -> bool {
    let last = dmb
        .iova
        .saturating_add(u64::from(dmb.len).saturating_sub(1));
    dmb.iova / DMB_BOUNDARY != last / DMB_BOUNDARY
}

/// `register-order`, `bad-sba-index` and `bad-dmb-memory`.
pub(crate) fn judge_register(fabric: &Fabric, call: Call<'_>, findings: &mut Vec<Finding>) {
    let dmb = described(call);
    if let Some(function) = fabric.get(call.function) {
        let missing = match (function.registered.sba, function.registered.ieq) {
            (None, _) => Some("an SBA"),
            (Some(_), None) => Some("an event queue"),
            (Some(_), Some(_)) => None,
        };
        if let Some(missing) = missing {
            findings.push(Finding::new(
                Rule::RegisterOrder,
                format!("REG_DMB without {missing}: expected REG_SBA and REG_IEQ before it"),
            ));
        }
    }
    if !SBA_INDEXES.contains(&dmb.index) {
        findings.push(Finding::new(
            Rule::BadSbaIndex,
            format!("REG_DMB with SBA index {}: expected 32 to 1919", dmb.index),
        ));
    } else if let Some(token) = fabric.dmbs.at_index(call.function, dmb.index) {
        findings.push(Finding::new(
            Rule::BadSbaIndex,
            format!(
                "REG_DMB with SBA index {}, which the DMB {token:#x} has: expected a free one",
                dmb.index
            ),
        ));
    }
    if !fits(&dmb) || crosses_boundary(&dmb) {
        findings.push(Finding::new(
            Rule::BadDmbMemory,
            format!(
                "REG_DMB with {} bytes at iova {:#x}: expected 1 byte to 1 MiB at a multiple of 4096, inside one MiB",
                dmb.len, dmb.iova
            ),
        ));
    }
}

/// REG_DMB. The response carries the token. Memory that crosses a MiB is taken; the rule tells.
pub(crate) fn register(fabric: &mut Fabric, call: Call<'_>, host: &dyn Host) -> Response {
    let dmb = described(call);
    if !fits(&dmb) || !SBA_INDEXES.contains(&dmb.index) {
        return call.answer(ResponseCode::BadValue);
    }
    if fabric.dmbs.at_index(call.function, dmb.index).is_some() {
        return call.answer(ResponseCode::IndexInUse);
    }
    let Ok(len) = usize::try_from(dmb.len) else {
        return call.answer(ResponseCode::BadValue);
    };
    if host.check_writable(call.function, dmb.iova, len).is_err() {
        return call.answer(ResponseCode::MemoryNotReachable);
    }
    match fabric.dmbs.insert(dmb) {
        Some(token) => {
            fabric.relate(&dmb);
            call.ok().u64(token)
        }
        None => call.answer(ResponseCode::NoResources),
    }
}

/// `unregister-not-owned`.
pub(crate) fn judge_unregister(fabric: &Fabric, call: Call<'_>, findings: &mut Vec<Finding>) {
    let token = call.fields.u64(8);
    let detail = match fabric.dmbs.get(token) {
        Some(dmb) if dmb.owner == call.function => return,
        Some(dmb) => format!(
            "UNREG_DMB of {token:#x}, which belongs to {}: expected an own token",
            fabric.name(dmb.owner)
        ),
        None => format!("UNREG_DMB of {token:#x}: there is no such DMB"),
    };
    findings.push(Finding::new(Rule::UnregisterNotOwned, detail));
}

/// UNREG_DMB: u64 token at 8. An unknown token succeeds: to a driver any failure means that the
/// memory is still in use, and it would keep it for ever.
pub(crate) fn unregister(fabric: &mut Fabric, call: Call<'_>) -> Response {
    let token = call.fields.u64(8);
    match fabric.dmbs.get(token).copied() {
        Some(dmb) if dmb.owner != call.function => call.answer(ResponseCode::NotOwned),
        Some(dmb) => {
            fabric.dmbs.remove(token);
            fabric.forget(token);
            fabric.unrelate(&dmb);
            call.ok()
        }
        None => call.ok(),
    }
}
