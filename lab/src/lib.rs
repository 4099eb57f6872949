//! Boots Linux guests on one emulated ISM fabric and lets them talk SMC-D.
//!
//! Non-goal: emulating the function; that is the server's, which the lab starts.

#![forbid(unsafe_code)]

pub mod kit;

pub use kit::{KernelChoice, Kit, KitError, OwnKernel, Smc};
