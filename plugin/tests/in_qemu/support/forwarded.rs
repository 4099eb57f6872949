// SPDX-License-Identifier: GPL-2.0-or-later
//! Guests whose function is forwarded to the real server.

use std::path::Path;

use serde_json::Value;
use vfio_user_ism_tests::daemon::Daemon;

use super::bare::{Guest, machine};
use super::{Run, run_plugin};

/// An offset in the command BAR that has no meaning to the device.
pub(crate) const SCRATCH: u64 = 0x800;
/// Address of the guests' data.
pub(crate) const DATA: u64 = 0x9000;

/// Runs a guest with `ism0` of the server as the forwarded function 8.
pub(crate) fn run_guest(guest: Guest, server: &Daemon) -> Run {
    run_guest_with("", guest, server)
}

/// Runs such a guest with more arguments for the plugin, each with a comma before it.
pub(crate) fn run_guest_with(more: &str, guest: Guest, server: &Daemon) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let image = guest.write(folder.path());
    let mut arguments = machine(&[(8, &server.only())]);
    arguments.extend(["-kernel".into(), image.to_str().unwrap().into()]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let forward = forward(&server.channel("ism0"), 8);
    run_plugin(&format!("{forward}{more}"), &arguments)
}

pub(crate) fn forward(channel: &Path, fid: u32) -> String {
    format!(",forward={},fid={fid}", channel.display())
}

/// Returns the records of loads and stores.
pub(crate) fn accesses(run: &Run) -> Vec<&Value> {
    run.lines
        .iter()
        .filter(|line| {
            line["insn"]
                .as_str()
                .is_some_and(|insn| ["pcistb", "pcistg", "pcilg"].contains(&insn))
        })
        .collect()
}

/// Returns the stores of a QEMU that has ended. The server writes events some time after they happened, and that of
/// the departure last.
pub(crate) fn stores(server: &Daemon) -> Vec<Value> {
    server.wait_until_free();
    stores_so_far(server)
}

/// Returns the stores that the server has written.
pub(crate) fn stores_so_far(server: &Daemon) -> Vec<Value> {
    let events = server.events().into_iter();
    events.filter(|event| event["event"] == "store").collect()
}
