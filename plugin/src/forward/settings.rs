// SPDX-License-Identifier: GPL-2.0-or-later
//! The user's choices about forwarding.

use std::path::PathBuf;

/// A function whose instructions go to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Forward {
    /// Path of the server's instruction channel, a UNIX socket.
    pub socket: PathBuf,
    /// The guest's function to which it belongs.
    pub selector: Selector,
}

/// The selection of one of the guest's functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    /// The function with this function id, as in `-device zpci,fid=`.
    Fid(u32),
    /// The function with this user-defined id, as in `-device zpci,uid=`.
    Uid(u32),
    /// The guest's only ISM function.
    OnlyIsm,
}

/// The facts about forwarded functions in CLP responses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Clp {
    /// QEMU's facts about any emulated function.
    #[default]
    Qemu,
    /// Channel id, utility string, longest block store and relaxed flag of the servers.
    Linux,
    /// All facts of the servers, including one that makes Linux ask for a DMA window that QEMU refuses.
    Full,
}

/// The moves (stores to BAR 0) that may end before their server has answered, if their outcome is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Moves {
    /// No move: each waits for the server's answer.
    #[default]
    Waited,
    /// Moves without a signal.
    Data,
    /// All moves, with and without a signal.
    Posted,
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fid(fid) => write!(f, "fid={fid}"),
            Self::Uid(uid) => write!(f, "uid={uid}"),
            Self::OnlyIsm => f.write_str("the only function 1014:04ed"),
        }
    }
}
