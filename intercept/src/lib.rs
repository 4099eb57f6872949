//! Tests QEMU's interception of zPCI instructions.
pub mod attribute;
pub mod encoder;
pub mod expect;
pub mod pattern;
pub mod plan;
pub mod probe;
pub mod recording;
pub mod stand_in;
pub mod verdict;
pub mod events;
pub mod process;
pub mod qemu;
pub mod server;
