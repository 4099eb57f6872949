// SPDX-License-Identifier: GPL-2.0-or-later
//! A plugin for `qemu-system-s390x` that records each zPCI instruction a guest executes, or carries
//! those for chosen functions to their server, or both.
//!
//! ```text
//! qemu-system-s390x -plugin file=libvfio_user_ism_plugin.so,out=records.jsonl ...
//! qemu-system-s390x -plugin file=libvfio_user_ism_plugin.so,forward=/tmp/ism.sock.insn ...
//! ```
//!
//! Observing changes nothing: QEMU executes every instruction as it would without the plugin. The
//! file receives one JSON object a line ([`record`]), with the operands and payload the guest gave
//! and the outcome it got. That is the ground truth against which the device's own log is judged.
//!
//! Forwarding takes the loads and stores that address a function of ours from the guest before
//! QEMU handles them, hands each one whole to the function's server, and completes it in the guest.
//!
//! A tour, from bytes to lines:
//! - [`decode`]: instruction bytes to a typed instruction;
//! - [`operands`], [`observe`]: what the guest gave, and how the instruction ended, read from a
//!   [`cpu`];
//! - [`forward`]: what is carried out here: checks, the server's instruction channel, endings;
//! - [`defects`]: deliberate ones, for tests of `intercept`;
//! - [`record`], [`journal`], [`records`]: the lines, the file, and how the two end; [`report`]: messages on stderr;
//! - [`plugin`]: one state for the process, fed by [`entry`], the callbacks that QEMU makes;
//! - [`qemu`], [`ffi`]: QEMU's objects made safe, and its interface as C has it; with [`entry`]
//!   the only modules with unsafe code.
//!
//! Not seen: an instruction that is the target of EXECUTE, and guests that KVM runs.

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
mod record;
mod records;
mod report;
mod sites;
