// SPDX-License-Identifier: GPL-2.0-or-later
//! Tests of the plugin in a real QEMU, with guests of a few instructions and with Linux.

mod bare_metal;
mod forward;
mod forward_gone;
mod forward_speed;
mod linux_guest;
mod support;
