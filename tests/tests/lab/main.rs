//! Tests of `vfio-user-ism lab`: Linux guests with the unmodified ism and smc drivers, under stock QEMU with
//! the forwarding plugin.
//!
//! | file | tests |
//! |---|---|
//! | `command_line` | arguments, exit status, errors, signals |
//! | `one_guest` | the driver, SMC-D within a guest, leaks; observing instead of forwarding |
//! | `recorded` | a recorded lab: its page, its capture in Wireshark, and its replay |
//! | `two_guests` | SMC-D between guests, and the death of one |
//! | `scenarios` | scenarios succeed, and a failed check is reported |
//! | `splats` | the reports of real kernels about planted faults |
//! | `network` | QEMU's side of the network |
//! | `linux72` | the driver below the dibs layer |
//! | `bench` | the measurements run |
//! | `zpci_qemu` | a QEMU with the changes of `qemu/`, without any plugin |

mod bench;
mod command_line;
mod linux72;
mod network;
mod one_guest;
mod recorded;
mod running;
mod scenarios;
mod splats;
mod two_guests;
mod zpci_qemu;
