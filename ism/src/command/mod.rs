//! Commands: the window in BAR 2, the table of commands, and one file per family.
//!
//! A command runs inside the store that completes its header, because drivers load the response
//! without waiting (Linux 6.12 `ism_cmd`).

pub(crate) mod dmb;
pub(crate) mod ieq;
pub(crate) mod info;
pub(crate) mod rgid;
pub(crate) mod sba;
pub(crate) mod signal;
pub(crate) mod table;
pub(crate) mod vlan;
pub(crate) mod window;

mod response;

use crate::FunctionId;
use crate::fabric::Fabric;
use crate::finding::Finding;
use crate::host::Host;
use crate::layout::Fields;
use crate::record::DeviceObserver;

pub(crate) use response::Response;
pub use response::ResponseCode;
pub use table::Command;

/// A command about to run: who issued it, and its fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub function: FunctionId,
    pub command: Command,
    /// The whole request, so that offsets are those of the layout.
    pub fields: Fields<'a>,
}

impl Call<'_> {
    /// A response without payload.
    pub fn answer(&self, code: ResponseCode) -> Response {
        Response::error(self.command.code(), code)
    }

    /// A successful response, to which payload may be added.
    pub fn ok(&self) -> Response {
        Response::ok(self.command.code())
    }
}

/// Judges the meaning of a well-formed command, before anything happens.
pub(crate) fn judge(fabric: &Fabric, call: Call<'_>, findings: &mut Vec<Finding>) {
    match call.command {
        Command::RegSba => sba::judge(call, findings),
        Command::RegIeq => ieq::judge(fabric, call, findings),
        Command::RegDmb => dmb::judge_register(fabric, call, findings),
        Command::UnregDmb => dmb::judge_unregister(fabric, call, findings),
        _ => {}
    }
}

/// Carries out a well-formed command.
pub(crate) fn run(
    fabric: &mut Fabric,
    call: Call<'_>,
    host: &mut dyn Host,
    observer: &mut dyn DeviceObserver,
) -> Response {
    match call.command {
        Command::RegSba => sba::register(fabric, call, host),
        Command::UnregSba => sba::unregister(fabric, call, host, observer),
        Command::RegIeq => ieq::register(fabric, call, host),
        Command::UnregIeq => ieq::unregister(fabric, call),
        Command::ReadGid => info::read_gid(fabric, call),
        Command::QueryInfo => info::query(fabric, call),
        Command::AddVlanId => vlan::add(fabric, call),
        Command::DelVlanId => vlan::delete(fabric, call),
        Command::SetVlan => vlan::require(fabric, call, true),
        Command::ResetVlan => vlan::require(fabric, call, false),
        Command::QueryRgid => rgid::query(fabric, call),
        Command::RegDmb => dmb::register(fabric, call, host),
        Command::UnregDmb => dmb::unregister(fabric, call),
        Command::SignalIeq => signal::signal(fabric, call, host, observer),
    }
}
