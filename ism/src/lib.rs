//! The ISM device: Internal Shared Memory, PCI 1014:04ed, as its drivers see it.
#![forbid(unsafe_code)]

pub mod host;

pub use host::{Host, MemoryError};

/// Position of a function in its fabric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId(pub usize);
