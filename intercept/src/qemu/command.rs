//! QEMU's command line.

use crate::plan::{fid, uid};
use harness::{Accelerator, Line};
use std::ffi::OsString;
use std::path::PathBuf;

/// The control of QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// A monitor on standard input and output. QEMU waits when the guest has ended.
    Monitor,
    /// No monitor. QEMU ends with the guest.
    Alone,
}

/// The parts of QEMU's command line.
#[derive(Debug, Clone)]
pub(crate) struct CommandLine {
    /// Sockets of the servers, one for each function.
    pub sockets: Vec<PathBuf>,
    /// Guest memory in bytes, a multiple of 1 MiB.
    pub memory: u64,
    /// The file for the guest's memory. Without one, QEMU makes it.
    pub memory_file: Option<PathBuf>,
    /// The control of QEMU.
    pub control: Control,
    /// The accelerator that QEMU uses.
    pub accelerator: Accelerator,
    /// Arguments for the guest: `-kernel` and so on.
    pub guest: Vec<OsString>,
    /// The user's own arguments, last.
    pub extra: Vec<OsString>,
}

impl CommandLine {
    /// All arguments, without QEMU's name.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let mut line = Line::machine(
            self.memory,
            self.memory_file.as_deref(),
            self.accelerator,
            &self.extra,
        );
        match self.control {
            Control::Monitor => {
                line.flags(&["-qmp", "stdio", "-action", "shutdown=pause,panic=pause"]);
            }
            Control::Alone => line.flags(&["-monitor", "none", "-action", "panic=shutdown"]),
        }
        for (function, socket) in self.sockets.iter().enumerate() {
            let id = format!("ism{function}");
            line.function(&id, uid(function), fid(function), socket);
        }
        line.finish(&[&self.guest[..], &self.extra].concat())
    }
}
