//! Guest memory: the maps of a client, and the accesses to them.

pub mod client_queue;
pub mod dma_map;
pub mod file_facts;
#[allow(unsafe_code, reason = "touches memory that the guest touches too")]
pub mod guest_file;

pub use client_queue::{ClientOp, ClientQueue, NotWritten};
pub use dma_map::{DmaMap, MapError};
pub use guest_file::GuestFile;
