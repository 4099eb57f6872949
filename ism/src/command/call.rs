//! Commands as typed values.

use super::table::Command;
use crate::layout::Fields;

/// The memory and the permitted writer that REG_DMB names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buffer {
    pub iova: u64,
    pub len: u32,
    pub index: u32,
    /// GID of the function that may write into the buffer.
    pub rgid: u64,
}

/// A command with its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    RegSba { iova: u64 },
    RegIeq { iova: u64, len: u64 },
    ReadGid,
    AddVlanId { id: u64 },
    DelVlanId { id: u64 },
    SetVlan,
    ResetVlan,
    QueryInfo,
    QueryRgid { gid: u64, vlan: Option<u32> },
    RegDmb(Buffer),
    UnregDmb { token: u64 },
    SignalIeq(Signal),
    UnregSba,
    UnregIeq,
}

/// The event that SIGNAL_IEQ sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signal {
    /// GID of the receiving function.
    pub gid: u64,
    /// True if the event interrupts the receiver at once.
    pub trigger: bool,
    pub code: u32,
    pub info: u64,
}

impl Call {
    /// Reads the operands of a complete request, header included (Linux 6.12 `drivers/s390/net/ism.h`).
    pub(crate) fn parse(command: Command, request: Fields<'_>) -> Self {
        let (u32, u64) = (|at| request.u32(at), |at| request.u64(at));
        match command {
            Command::RegSba => Call::RegSba { iova: u64(8) },
            Command::RegIeq => Call::RegIeq {
                iova: u64(8),
                len: u64(16),
            },
            Command::ReadGid => Call::ReadGid,
            Command::AddVlanId => Call::AddVlanId { id: u64(8) },
            Command::DelVlanId => Call::DelVlanId { id: u64(8) },
            Command::SetVlan => Call::SetVlan,
            Command::ResetVlan => Call::ResetVlan,
            Command::QueryInfo => Call::QueryInfo,
            Command::QueryRgid => Call::QueryRgid {
                gid: u64(8),
                vlan: (u32(16) != 0).then(|| u32(20)),
            },
            // The VLAN at 24 and 28 is ignored: SMC fills in the id and marks it invalid.
            Command::RegDmb => Call::RegDmb(Buffer {
                iova: u64(8),
                len: u32(16),
                index: u32(20),
                rgid: u64(32),
            }),
            Command::UnregDmb => Call::UnregDmb { token: u64(8) },
            Command::SignalIeq => Call::SignalIeq(Signal {
                gid: u64(8),
                trigger: u32(16) != 0,
                code: u32(20),
                info: u64(24),
            }),
            Command::UnregSba => Call::UnregSba,
            Command::UnregIeq => Call::UnregIeq,
        }
    }
}
