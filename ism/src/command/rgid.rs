//! QUERY_RGID: can this function talk to that one?
//!
//! A function is reachable when it is on the fabric and its guest is not gone. With a VLAN, both
//! have to be members of it, 0x1fff included: that is how SMC-D v2 asks, and both drivers have
//! joined it by then. Without one, neither may have been told to talk in VLANs only.

use super::{Call, Response, ResponseCode};
use crate::fabric::Fabric;
use crate::function::Function;

/// QUERY_RGID: u64 GID at 8, u32 VLAN valid at 16, u32 VLAN id at 20.
pub(crate) fn query(fabric: &Fabric, call: Call<'_>) -> Response {
    let peer = fabric.by_gid(call.fields.u64(8));
    let (Some(own), Some(peer)) = (fabric.get(call.function), peer) else {
        return call.answer(ResponseCode::NoSuchFunction);
    };
    let Some(peer) = fabric.get(peer) else {
        return call.answer(ResponseCode::NoSuchFunction);
    };
    let vlan = (call.fields.u32(16) != 0).then(|| call.fields.u32(20));
    if peer.gone || !share(own, peer, vlan) {
        return call.answer(ResponseCode::NotReachable);
    }
    call.ok()
}

fn share(own: &Function, peer: &Function, vlan: Option<u32>) -> bool {
    let both = |test: &dyn Fn(&Function) -> bool| test(own) && test(peer);
    match vlan {
        None => both(&|function| !function.registered.vlan_required),
        Some(id) => u16::try_from(id)
            .is_ok_and(|id| both(&|function| function.registered.vlans.contains(&id))),
    }
}
