//! Recorded runs, judged without QEMU.

mod linux_ism;
mod stock_qemu;
