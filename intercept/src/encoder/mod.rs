//! A small s390x instruction encoder: enough of z/Architecture, and all of zPCI, to write the probe guest without a
//! cross compiler.
//!
//! - `register`: general register numbers;
//! - `format`: instruction formats as byte arrays (z/Architecture Principles of Operation, chapter 5);
//! - `zpci`: the zPCI instructions, which binutils does not name;
//! - `assembler`: a byte buffer with labels and fixups;
//! - `mnemonic`: the general instructions the probe uses, as methods of the assembler.
//!
//! Non-goal: a complete assembler.

mod assembler;
pub mod format;
mod mnemonic;
mod register;
pub mod zpci;

pub use assembler::{AssembleError, Assembler, Label};
pub use mnemonic::Condition;
pub use register::Gr;

#[cfg(test)]
mod tests;
