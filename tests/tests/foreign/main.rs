//! Implementations of vfio-user that are not ours, and a stand-in for stock QEMU.

mod client;
mod server;
mod stock_qemu;
