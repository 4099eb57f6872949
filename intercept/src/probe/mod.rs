//! The probe guest: a bare-metal s390x program made from a plan.
//!
//! - `layout`: where everything lies in guest memory;
//! - `program`: the machine code, a loop over records;
//! - `record`: one instruction as the loop reads it;
//! - `setup`: the instructions that come before the plan: interrupts, translation, a DMB;
//! - `clp`: the call logical processor blocks, prefilled and read back;
//! - `fib`: function information blocks;
//! - `memory`: where each case's block lies, and the guest's translation tables;
//! - `elf`: the file QEMU loads;
//! - `image`: all of it put together;
//! - `outcome`: how one instruction went;
//! - `results`: what the guest left in memory.
//!
//! The program itself runs with translation off; only the instruction under test may run with it on. It ends in a disabled wait at the address that QEMU takes
//! for a shutdown request, and QEMU, told to pause then, keeps memory for reading.

pub(crate) mod clp;
mod elf;
pub(crate) mod fib;
mod image;
pub(crate) mod layout;
mod memory;
mod outcome;
mod program;
mod record;
mod results;
mod setup;

pub use image::{Abilities, Image, ImageError};
pub use layout::{DUMP_ADDRESS, DUMP_LENGTH, MAILBOX_LENGTH};
pub use outcome::{Change, Fault, Outcome};
pub use results::{FunctionFacts, OtherFunction, ProbeResults, ProbeState, ResultsError, progress};
