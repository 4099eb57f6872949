//! Tests with independent implementations of vfio-user, and with an imitation of stock QEMU.

mod client;
mod server;
mod stock_qemu;
