//! Tests QEMU's interception of zPCI instructions.
pub mod encoder;
pub mod pattern;
pub mod plan;
pub mod probe;
