//! SIGNAL_IEQ: a software event for a peer.

use super::{Call, Response, ResponseCode};
use crate::event::Event;
use crate::fabric::Fabric;
use crate::host::Host;
use crate::record::DeviceObserver;

/// SIGNAL_IEQ: u64 GID at 8, u32 trigger at 16, u32 code at 20, u64 info at 24.
///
/// The receiver's token is the sender's GID: it answers to that (Linux 6.12 `smc_ism.c`). With a
/// trigger of 0 the event waits in the queue, its bits set, for the next interrupt.
pub(crate) fn signal(
    fabric: &mut Fabric,
    call: Call<'_>,
    host: &mut dyn Host,
    observer: &mut dyn DeviceObserver,
) -> Response {
    let fields = call.fields;
    let Some(sender) = fabric.get(call.function).map(|own| own.config.gid) else {
        return call.answer(ResponseCode::NoSuchFunction);
    };
    let Some(to) = fabric.by_gid(fields.u64(8)) else {
        return call.answer(ResponseCode::NoSuchFunction);
    };
    let event = Event::software(sender, fields.u32(20), fields.u64(24), fields.u32(16) != 0);
    match event.deliver(fabric, call.function, to, host, observer) {
        Ok(()) => call.ok(),
        Err(code) => call.answer(code),
    }
}
