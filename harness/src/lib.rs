//! Child processes of the interception test and the lab.
//!
//! - `accelerator`: whether KVM executes the guest;
//! - `child`: one child with a log, a bounded wait and a certain end;
//! - `with_parent`: children that the kernel kills when this process ends;
//! - `server`: this program's own `serve` as a child;
//! - `qemu`: the parts of a QEMU command line that all machines share;
//! - `plugin`: the TCG plugin and its argument;
//! - `log`: the end of a log file.
//!
//! This crate judges nothing: it knows neither cases nor guests.

mod accelerator;
mod child;
mod log;
mod plugin;
mod qemu;
mod server;
mod with_parent;

pub use accelerator::{Accel, AccelError, Accelerator};
pub use child::Child;
pub use log::tail;
pub use plugin::{Moves, NoPlugin, Plugin, Task};
pub use qemu::{Line, option};
pub use server::{Server, ServerError, Serving, Starting};
pub use with_parent::{become_program, command, keep_with};
