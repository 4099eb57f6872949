//! Child processes for the interception test, the lab and the tests.
//!
//! - `accelerator`: chooses KVM or software emulation;
//! - `child`: one child with a log, a bounded wait and a certain end;
//! - `with_parent`: children that the kernel kills when this process ends;
//! - `server`: the program's own `serve` as a child;
//! - `qemu`: the parts of a QEMU command line that all machines share;
//! - `plugin`: the TCG plugin and its argument;
//! - `log`: the end of a log file; `output`: standard output;
//! - `draw`: numbers from a seed; `script`: programs that tests make.
//!
//! Non-goal: the crate judges nothing, and knows neither cases nor guests.

mod accelerator;
mod child;
mod draw;
mod log;
mod output;
mod plugin;
mod qemu;
mod script;
mod server;
mod with_parent;

pub use accelerator::{Accel, AccelError, Accelerator};
pub use child::Child;
pub use draw::Draw;
pub use log::tail;
pub use output::print;
pub use plugin::{Moves, NoPlugin, Plugin, Task};
pub use qemu::{Line, option};
pub use script::write_script;
pub use server::{Server, ServerError, Serving, Starting};
pub use with_parent::{become_program, command, keep_with};
