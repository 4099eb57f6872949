//! QEMU: which one, what it can do, its command line, and its monitor.

mod check;
mod command;
mod guest;
mod qmp;

pub use check::{Qemu, QemuError};
pub use command::{CommandLine, FID};
pub use guest::{GuestError, Run, run_guest, run_probe};
pub use qmp::QmpError;
