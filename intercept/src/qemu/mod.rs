//! QEMU: which one, what it can do, its command line, and its monitor.

mod backtrace;
mod binary;
mod check;
mod command;
mod guest;
mod memory;
mod qmp;
mod versions;

pub use backtrace::{backtrace, debugger};
pub use check::{Qemu, QemuError};
pub use command::{CommandLine, Control};
pub use guest::{GuestError, GuestRun, ProbeEnd, Run, run_guest, run_probe};
pub use memory::GuestMemory;
pub use qmp::QmpError;
pub use versions::{LocateError, locate};
