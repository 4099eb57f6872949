//! ADD_VLAN_ID, DEL_VLAN_ID and QUERY_RGID: members of VLANs, and reachable functions.
//!
//! No public source says what SET_VLAN does on hardware, and no driver calls it. Here it
//! demands a VLAN: QUERY_RGID then finds no function reachable outside of one. RESET_VLAN ends the
//! demand. The memberships stay.

use super::response::{Outcome, Payload, ResponseCode};
use crate::function::Function;
use crate::layout::{VLAN_MAX, VLAN_V2};
use crate::turn::Turn;

/// A VLAN id: 12 bits, or 0x1fff by which drivers ask for SMC-D v2.
fn vlan_id(id: u64) -> Result<u16, ResponseCode> {
    u16::try_from(id)
        .ok()
        .filter(|id| *id <= 0xfff || u32::from(*id) == VLAN_V2)
        .ok_or(ResponseCode::BadValue)
}

/// ADD_VLAN_ID. A member may join again (Linux 7.2 never leaves 0x1fff).
pub(crate) fn add(turn: &mut Turn<'_>, id: u64) -> Outcome {
    let id = vlan_id(id)?;
    let vlans = &mut turn.own().registered.vlans;
    if vlans.len() >= VLAN_MAX && !vlans.contains(&id) {
        return Err(ResponseCode::NoResources);
    }
    vlans.insert(id);
    Ok(Payload::default())
}

/// DEL_VLAN_ID.
pub(crate) fn delete(turn: &mut Turn<'_>, id: u64) -> Outcome {
    let id = vlan_id(id)?;
    match turn.own().registered.vlans.remove(&id) {
        true => Ok(Payload::default()),
        false => Err(ResponseCode::NoSuchVlan),
    }
}

/// QUERY_RGID: can this function talk to the one with this GID?
///
/// A function is reachable when it is on the fabric and its guest is not gone. With a VLAN, both
/// have to be members of it, 0x1fff included: that is how SMC-D v2 asks, and both drivers have
/// joined it by then. Without one, neither may have been told to talk in VLANs only.
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
