// SPDX-License-Identifier: GPL-2.0-or-later
//! Runs QEMU with the plugin and reads the records.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use debian_fetch::{Cache, Machine, Qemu};
use serde_json::Value;
pub(crate) use vfio_user_ism_tests::program::plugin;
use vfio_user_ism_tests::program::{Ended, finish};

pub(crate) mod bare;
pub(crate) mod forwarded;

/// The results of one run of QEMU.
#[derive(Debug)]
pub(crate) struct Run {
    /// The lines of the records.
    pub lines: Vec<Value>,
    /// The guest's output, and QEMU's own messages.
    pub console: String,
}

/// Returns the QEMU that loads the plugin: `$QEMU`, the one on `PATH`, or Debian's, fetched once.
#[track_caller]
fn program() -> PathBuf {
    let cache = Cache::locate().unwrap_or_else(|error| panic!("{error}"));
    let qemu = Qemu::find(Machine::S390x, None, &cache);
    qemu.unwrap_or_else(|error| panic!("{error}")).program
}

/// Runs QEMU with `arguments` until it ends.
#[track_caller]
pub(crate) fn qemu(arguments: &[&str]) -> Ended {
    let mut command = Command::new(program());
    command.args(["-M", "s390-ccw-virtio", "-cpu", "max", "-m", "512M"]);
    command.args(["-nographic", "-nodefaults", "-monitor", "none"]);
    command.args(["-serial", "stdio"]).args(arguments);
    command.stdin(Stdio::null());
    finish(command)
}

/// Runs QEMU with the plugin and `arguments`, and reads the records.
pub(crate) fn run(arguments: &[&str]) -> Run {
    run_plugin("", arguments)
}

/// Does the same with more arguments for the plugin, each with a comma before it.
#[track_caller]
pub(crate) fn run_plugin(more: &str, arguments: &[&str]) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("records.jsonl");
    let option = format!("file={},out={}{more}", plugin().display(), out.display());
    let mut all = vec!["-plugin", &option];
    all.extend(arguments);
    let output = qemu(&all);
    let console = output.stdout + &output.stderr;
    let text = std::fs::read_to_string(&out)
        .unwrap_or_else(|error| panic!("no records ({error}); QEMU said: {console}"));
    let lines = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    Run { lines, console }
}

/// Builds an initramfs in the "newc" format of cpio, with these directories and executable files.
pub(crate) fn initramfs(directories: &[&str], files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut inode = 0;
    let mut entry = |name: &str, mode: u32, data: &[u8]| {
        inode += 1;
        let name_size = name.len() + 1;
        let fields = [
            inode,
            mode,
            0,
            0,
            1,
            0,
            data.len() as u32,
            0,
            0,
            0,
            0,
            name_size as u32,
            0,
        ];
        archive.extend(b"070701");
        for field in fields {
            archive.extend(format!("{field:08x}").bytes());
        }
        archive.extend(name.bytes().chain([0]));
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend(data);
        archive.resize(archive.len().next_multiple_of(4), 0);
    };
    for directory in directories {
        entry(directory, 0o40755, &[]);
    }
    for (name, data) in files {
        entry(name, 0o100755, data);
    }
    entry("TRAILER!!!", 0, &[]);
    archive
}
