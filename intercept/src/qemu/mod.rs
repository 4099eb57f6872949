//! QEMU: which one, what it can do, its command line, and its monitor.

mod backtrace;
mod check;
mod command;
mod guest;
mod memory;
mod qmp;

pub use backtrace::{backtrace, debugger};
pub use check::{Qemu, QemuError};
pub use command::{CommandLine, Control, FID};
pub use guest::{GuestError, ProbeEnd, Run, run_guest, run_probe};
pub use memory::GuestMemory;
pub use qmp::QmpError;
