//! QEMU: its choice, its abilities, its command line, and its monitor.

mod backtrace;
mod binary;
mod check;
mod command;
mod guest;
mod memory;
mod qmp;
mod versions;

pub(crate) use backtrace::{backtrace, debugger};
pub(crate) use check::Qemu;
pub(crate) use command::{CommandLine, Control};
pub(crate) use guest::{GuestError, ProbeEnd, run_guest, run_probe};
pub(crate) use memory::GuestMemory;
pub(crate) use versions::{LocateError, locate};
