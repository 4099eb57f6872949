//! ADD_VLAN_ID, DEL_VLAN_ID, SET_VLAN and RESET_VLAN: membership.
//!
//! What SET_VLAN does on hardware is in no public source and no driver calls it. Here it demands
//! a VLAN: [`rgid`](super::rgid) then finds nobody reachable outside of one. RESET_VLAN ends the
//! demand; the members stay.

use super::{Call, Response, ResponseCode};
use crate::fabric::Fabric;
use crate::layout::{VLAN_MAX, VLAN_V2};

/// The id of the call, if it is one: 12 bits, or 0x1fff by which drivers ask for SMC-D v2.
fn vlan_id(call: Call<'_>) -> Option<u16> {
    let id = u32::try_from(call.fields.u64(8)).ok()?;
    (id <= 0xfff || id == VLAN_V2).then_some(())?;
    u16::try_from(id).ok()
}

/// ADD_VLAN_ID: u64 id at 8. A member may join again (Linux 7.2 never leaves 0x1fff).
pub(crate) fn add(fabric: &mut Fabric, call: Call<'_>) -> Response {
    let (Some(id), Some(function)) = (vlan_id(call), fabric.get_mut(call.function)) else {
        return call.answer(ResponseCode::BadValue);
    };
    let vlans = &mut function.registered.vlans;
    if vlans.len() >= VLAN_MAX && !vlans.contains(&id) {
        return call.answer(ResponseCode::NoResources);
    }
    vlans.insert(id);
    call.ok()
}

/// DEL_VLAN_ID: u64 id at 8.
pub(crate) fn delete(fabric: &mut Fabric, call: Call<'_>) -> Response {
    let (Some(id), Some(function)) = (vlan_id(call), fabric.get_mut(call.function)) else {
        return call.answer(ResponseCode::BadValue);
    };
    if function.registered.vlans.remove(&id) {
        call.ok()
    } else {
        call.answer(ResponseCode::NoSuchVlan)
    }
}

/// SET_VLAN and RESET_VLAN.
pub(crate) fn require(fabric: &mut Fabric, call: Call<'_>, required: bool) -> Response {
    if let Some(function) = fabric.get_mut(call.function) {
        function.registered.vlan_required = required;
    }
    call.ok()
}
