// SPDX-License-Identifier: GPL-2.0-or-later
//! A plugin for `qemu-system-s390x` that records each zPCI instruction a guest executes.
//!
//! ```text
//! qemu-system-s390x -plugin file=libvfio_user_ism_plugin.so,out=records.jsonl ...
//! ```
//!
//! It changes nothing: QEMU executes every instruction as it would without the plugin. The file
//! receives one JSON object a line ([`record`]), with the operands and payload the guest gave and
//! the outcome it got. That is the ground truth against which the device's own log is judged.
//!
//! A tour, from bytes to lines:
//! - [`decode`]: instruction bytes to a typed instruction;
//! - [`operands`], [`observe`]: what the guest gave, and how the instruction ended, read from a
//!   [`cpu`];
//! - [`record`], [`journal`]: the lines and the file;
//! - [`plugin`]: one state for the process, fed by [`entry`], the callbacks that QEMU makes;
//! - [`qemu`], [`ffi`]: QEMU's objects made safe, and its interface as C has it; with [`entry`]
//!   the only modules with unsafe code.
//!
//! Not seen: an instruction that is the target of EXECUTE, and guests that KVM runs.

pub mod args;
pub mod cpu;
pub mod decode;
pub mod entry;
pub mod ffi;
pub mod journal;
pub mod observe;
pub mod operands;
pub mod plugin;
pub mod qemu;
pub mod qemu_info;
pub mod record;
pub mod sites;
