// SPDX-License-Identifier: GPL-2.0-or-later
//! What is forwarded and how, as the user chose it.

use std::path::PathBuf;

/// A function whose instructions are carried to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Forward {
    /// The server's instruction channel: a UNIX socket.
    pub socket: PathBuf,
    /// Which of the guest's functions it is.
    pub selector: Selector,
}

/// How a function is told from the guest's others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    /// By its function id, as in `-device zpci,fid=`.
    Fid(u32),
    /// By its user-defined id, as in `-device zpci,uid=`.
    Uid(u32),
    /// It is the guest's only ISM function.
    OnlyIsm,
}

/// The facts about forwarded functions in CLP responses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Clp {
    /// The facts that QEMU reports for any emulated function.
    #[default]
    Qemu,
    /// Channel id, utility string, longest block store and the relaxed flag as the servers say.
    Linux,
    /// All that the servers say, also what makes Linux ask for a DMA window that QEMU refuses.
    Full,
}

/// Which moves (stores to BAR 0) end before their server has answered, where their outcome is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Moves {
    /// None.
    #[default]
    Waited,
    /// Those without a signal.
    Data,
    /// All.
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
