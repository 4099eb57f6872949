//! REG_SBA and UNREG_SBA: the page of summary bits.

use zpci_region::Rule;
use zpci_region::access::PAGE;

use super::{Call, Response, ResponseCode};
use crate::fabric::Fabric;
use crate::finding::Finding;
use crate::host::Host;
use crate::layout::SBA_LEN;
use crate::record::DeviceObserver;

/// `queue-misaligned`.
pub(crate) fn judge(call: Call<'_>, findings: &mut Vec<Finding>) {
    let iova = call.fields.u64(8);
    if !iova.is_multiple_of(PAGE) {
        findings.push(Finding::new(
            Rule::QueueMisaligned,
            format!("REG_SBA with an SBA at iova {iova:#x}: expected a multiple of 4096"),
        ));
    }
}

/// REG_SBA: u64 address at 8.
pub(crate) fn register(fabric: &mut Fabric, call: Call<'_>, host: &dyn Host) -> Response {
    let iova = call.fields.u64(8);
    let Some(function) = fabric.get_mut(call.function) else {
        return call.answer(ResponseCode::NoSuchFunction);
    };
    if function.registered.sba.is_some() {
        return call.answer(ResponseCode::AlreadyRegistered);
    }
    if !iova.is_multiple_of(PAGE) {
        return call.answer(ResponseCode::BadValue);
    }
    if host.check_writable(call.function, iova, SBA_LEN).is_err() {
        return call.answer(ResponseCode::MemoryNotReachable);
    }
    function.registered.sba = Some(iova);
    call.ok()
}

/// UNREG_SBA. Succeeds without one, too: drivers keep the page if a teardown fails. Without
/// summary bits the function cannot be signalled any more, so its peers are told.
pub(crate) fn unregister(
    fabric: &mut Fabric,
    call: Call<'_>,
    host: &mut dyn Host,
    observer: &mut dyn DeviceObserver,
) -> Response {
    if let Some(function) = fabric.get_mut(call.function)
        && function.registered.sba.take().is_some()
    {
        fabric.tell_peers(call.function, host, observer);
    }
    call.ok()
}
