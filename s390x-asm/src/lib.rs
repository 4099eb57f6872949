//! A small s390x assembler: the part of z/Architecture, and all of zPCI, that a guest program needs. It
//! replaces a cross compiler.
//!
//! - [`Assembler`]: a buffer with labels; its methods append the general instructions;
//! - [`zpci`]: the zPCI instructions, which binutils does not name;
//! - [`format`](mod@format): instruction formats as byte arrays (z/Architecture Principles of Operation, chapter 5);
//! - [`Gr`]: the general registers.
//!
//! Instructions are big-endian bytes on every host. Non-goal: a complete assembler.

#![forbid(unsafe_code)]

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
