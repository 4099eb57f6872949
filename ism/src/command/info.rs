//! QUERY_INFO: the function describes itself.

use super::response::Payload;
use crate::layout::{DMB_MAX_LEN, IEQ_LEN, VLAN_MAX};
use crate::turn::Turn;

/// The version that QUERY_INFO reports. Drivers only log it; no source says what hardware reports.
const VERSION: u32 = 1;
/// The state that QUERY_INFO reports: operational. Drivers only log it, like the version.
const OPERATIONAL: u64 = 1;

/// Builds the answer to QUERY_INFO: the 192 bytes after the header (`ism_qi` in the driver).
pub(crate) fn query(turn: &Turn<'_>) -> Payload {
    let info = turn.state.info(turn.id);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let ieq_len = info.ieq.map_or(0, |_| u32::try_from(IEQ_LEN).unwrap_or(0));
    let payload = Payload::default()
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
    let ids = info.vlans.into_iter().chain(std::iter::repeat(0));
    ids.take(VLAN_MAX).fold(payload, Payload::u16)
}
