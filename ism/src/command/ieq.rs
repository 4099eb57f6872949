//! REG_IEQ and UNREG_IEQ: the event queue.

use zpci_region::Rule;
use zpci_region::access::PAGE;

use super::{Call, Response, ResponseCode};
use crate::fabric::Fabric;
use crate::finding::Finding;
use crate::function::EventQueue;
use crate::host::Host;
use crate::layout::IEQ_LEN;

/// `queue-misaligned` and `register-order`.
pub(crate) fn judge(fabric: &Fabric, call: Call<'_>, findings: &mut Vec<Finding>) {
    let (iova, len) = (call.fields.u64(8), call.fields.u64(16));
    if !iova.is_multiple_of(PAGE) || len != IEQ_LEN {
        findings.push(Finding::new(
            Rule::QueueMisaligned,
            format!("REG_IEQ with {len} bytes at iova {iova:#x}: expected 512 bytes at a multiple of 4096"),
        ));
    }
    if fabric
        .get(call.function)
        .is_some_and(|function| function.registered.sba.is_none())
    {
        findings.push(Finding::new(
            Rule::RegisterOrder,
            "REG_IEQ without an SBA: expected REG_SBA before it",
        ));
    }
}

/// REG_IEQ: u64 address at 8, u64 length at 16. The queue must have room for a header and 15
/// entries: fewer bytes would not hold what the function writes.
pub(crate) fn register(fabric: &mut Fabric, call: Call<'_>, host: &dyn Host) -> Response {
    let (iova, len) = (call.fields.u64(8), call.fields.u64(16));
    let Some(function) = fabric.get_mut(call.function) else {
        return call.answer(ResponseCode::NoSuchFunction);
    };
    if function.registered.ieq.is_some() {
        return call.answer(ResponseCode::AlreadyRegistered);
    }
    let Ok(bytes) = usize::try_from(IEQ_LEN) else {
        return call.answer(ResponseCode::BadValue);
    };
    if !iova.is_multiple_of(PAGE) || len != IEQ_LEN {
        return call.answer(ResponseCode::BadValue);
    }
    if host.check_writable(call.function, iova, bytes).is_err() {
        return call.answer(ResponseCode::MemoryNotReachable);
    }
    function.registered.ieq = Some(EventQueue { iova, events: 0 });
    call.ok()
}

/// UNREG_IEQ. Succeeds without one, too: drivers keep the page if a teardown fails.
pub(crate) fn unregister(fabric: &mut Fabric, call: Call<'_>) -> Response {
    if let Some(function) = fabric.get_mut(call.function) {
        function.registered.ieq = None;
    }
    call.ok()
}
