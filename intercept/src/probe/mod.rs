//! The probe guest: a bare-metal s390x program made from a plan.
//!
//! - `layout`: where everything lies in guest memory;
//! - `program`: the machine code, a loop over records;
//! - `record`: one instruction as the loop reads it;
//! - `setup`: the instructions that come before the plan: interrupts, translation, a DMB;
//! - `clp`: the call logical processor blocks, prefilled and read back;
//! - `fib`: function information blocks;
//! - `elf`: the file QEMU loads;
//! - `image`: all of it put together;
//! - `results`: what the guest left in memory.
//!
//! The program runs with DAT off, so all addresses are absolute. It ends in a disabled wait at the address that QEMU takes
//! for a shutdown request, and QEMU, told to pause then, keeps memory for reading.

mod clp;
mod elf;
pub(crate) mod fib;
mod image;
pub(crate) mod layout;
mod program;
mod record;
mod results;
mod setup;

pub use image::{Image, ImageError};
pub use layout::{DUMP_ADDRESS, DUMP_LENGTH, MAILBOX_LENGTH};
pub use results::{FunctionFacts, Outcome, ProbeResults, ProbeState, ResultsError, progress};
