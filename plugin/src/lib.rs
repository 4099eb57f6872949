// SPDX-License-Identifier: GPL-2.0-or-later
//! A plugin for `qemu-system-s390x`. It records each zPCI instruction that a guest executes, or sends the
//! instructions for chosen functions to their servers, or both.
//!
//! ```text
//! qemu-system-s390x -plugin file=libvfio_user_ism_plugin.so,out=records.jsonl ...
//! qemu-system-s390x -plugin file=libvfio_user_ism_plugin.so,forward=/tmp/ism.sock.insn ...
//! ```
//!
//! Recording changes nothing: QEMU executes every instruction as without the plugin. The file receives one
//! JSON object for each line ([`::records::instruction`]), with the guest's operands and payload and the
//! outcome. The device's own log is compared with this file.
//!
//! Forwarding takes the loads and stores to chosen functions before QEMU handles them, passes each one whole
//! to the function's server, and completes it in the guest.
//!
//! From bytes to lines:
//! - [`decode`]: decodes instruction bytes;
//! - [`operands`], [`observe`]: read operands and outcome of an instruction from a [`cpu`];
//! - [`forward`]: carries out instructions: checks, the server's instruction channel, endings;
//! - [`defects`]: deliberate defects, for tests of `intercept`;
//! - [`journal`], [`records`]: the file of records, and its end; [`report`]: messages on
//!   stderr;
//! - [`plugin`]: the state of the process; [`entry`]: the callbacks that QEMU calls;
//! - [`qemu`], [`ffi`]: safe wrappers of QEMU's objects, and QEMU's C interface. With [`entry`], they are the
//!   only modules with unsafe code.
//!
//! The plugin does not see the target of EXECUTE, nor guests that KVM runs.

mod args;
mod cpu;
mod decode;
mod defects;
pub mod entry;
mod ffi;
mod forward;
mod journal;
mod observe;
mod operands;
mod plugin;
mod qemu;
mod qemu_info;
mod records;
mod report;
mod sites;
