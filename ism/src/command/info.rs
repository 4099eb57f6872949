//! READ_GID and QUERY_INFO: what the function says of itself.

use super::{Call, Response, ResponseCode};
use crate::fabric::Fabric;
use crate::layout::{DMB_MAX_LEN, IEQ_LEN, VLAN_MAX};

/// Version that QUERY_INFO reports. Drivers only log it; no source says what hardware reports.
const VERSION: u32 = 1;
/// State that QUERY_INFO reports: operational. As with the version, only logged.
const OPERATIONAL: u64 = 1;

/// READ_GID: u64 GID at 8.
pub(crate) fn read_gid(fabric: &Fabric, call: Call<'_>) -> Response {
    match fabric.get(call.function) {
        Some(function) => call.ok().u64(function.config.gid),
        None => call.answer(ResponseCode::NoSuchFunction),
    }
}

/// QUERY_INFO: 200 bytes, see `ism_qi` in the driver.
pub(crate) fn query(fabric: &Fabric, call: Call<'_>) -> Response {
    let Some(info) = fabric.function(call.function) else {
        return call.answer(ResponseCode::NoSuchFunction);
    };
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let ieq_len = info.ieq.map_or(0, |_| u32::try_from(IEQ_LEN).unwrap_or(0));
    let mut response = call
        .ok()
        .u32(VERSION)
        .u32(DMB_MAX_LEN)
        .u64(OPERATIONAL)
        .u64(info.gid)
        .u64(info.sba.unwrap_or(0))
        .u64(info.ieq.unwrap_or(0))
        .u32(ieq_len)
        .u32(0)
        .u32(count(info.dmbs_owned))
        .u32(count(info.dmbs_used))
        .u32(u32::from(info.vlan_required))
        .u32(count(info.vlans.len()));
    let ids = info.vlans.iter().copied().chain(std::iter::repeat(0));
    for id in ids.take(VLAN_MAX) {
        response = response.u16(id);
    }
    response
}
