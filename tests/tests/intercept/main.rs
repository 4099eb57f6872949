//! Tests of `vfio-user-ism intercept`: with real QEMU, a Linux guest, a stand-in client, and the report page.

mod accelerator;
mod bisect;
mod forward;
mod guest;
mod page;
mod qemu;
mod reports;
mod stand_in;
mod stops;
mod zoo;
