//! The commands ADD_VLAN_ID, DEL_VLAN_ID and QUERY_RGID: VLAN membership and reachable functions.
//!
//! No public source says what SET_VLAN does on hardware, and no driver calls it. In this emulator, a function
//! that has called SET_VLAN reaches other functions only inside a VLAN, as QUERY_RGID reports. RESET_VLAN
//! ends that. The memberships stay.

use super::response::{Outcome, Payload, ResponseCode};
use crate::function::Function;
use crate::layout::{VLAN_MAX, VLAN_V2};
use crate::turn::Turn;

/// Checks a VLAN id: 12 bits, or 0x1fff, with which drivers ask for SMC-D v2.
fn vlan_id(id: u64) -> Result<u16, ResponseCode> {
    u16::try_from(id)
        .ok()
        .filter(|id| *id <= 0xfff || u32::from(*id) == VLAN_V2)
        .ok_or(ResponseCode::BadValue)
}

/// Carries out ADD_VLAN_ID. A member may join again (Linux 7.2 never leaves 0x1fff).
pub(crate) fn add(turn: &mut Turn<'_>, id: u64) -> Outcome {
    let id = vlan_id(id)?;
    let vlans = &mut turn.own().registered.vlans;
    if vlans.len() >= VLAN_MAX && !vlans.contains(&id) {
        return Err(ResponseCode::NoResources);
    }
    vlans.insert(id);
    Ok(Payload::default())
}

pub(crate) fn delete(turn: &mut Turn<'_>, id: u64) -> Outcome {
    let id = vlan_id(id)?;
    match turn.own().registered.vlans.remove(&id) {
        true => Ok(Payload::default()),
        false => Err(ResponseCode::NoSuchVlan),
    }
}

/// Carries out QUERY_RGID: can this function reach the one with this GID?
///
/// A function is reachable if it is on the fabric and its guest is there. If the request names a VLAN, both
/// functions must be members of it, 0x1fff included: SMC-D v2 asks for that one, and both drivers have joined
/// it by then. If the request names none, SET_VLAN must be active on neither function.
pub(crate) fn query_rgid(turn: &Turn<'_>, gid: u64, vlan: Option<u32>) -> Outcome {
    let peer = turn.state.by_gid(gid);
    let peer = &turn.state[peer.ok_or(ResponseCode::NoSuchFunction)?];
    let vlan = vlan.map(u16::try_from);
    let talks = |function: &Function| match vlan {
        None => !function.registered.vlan_required,
        Some(Ok(id)) => function.registered.vlans.contains(&id),
        Some(Err(_)) => false,
    };
    match !peer.gone && talks(&turn.state[turn.id]) && talks(peer) {
        true => Ok(Payload::default()),
        false => Err(ResponseCode::NotReachable),
    }
}
