//! The plugin, as a run uses it: to forward instructions, to record them, or to list its defects.

use crate::args::Args;
use crate::error::Error;
use crate::plan::fid;
use crate::qemu;
use crate::server::Server;
use harness::{Plugin, Task};
use std::path::Path;

/// The plugin that `args` names, or the one beside the program.
pub(crate) fn find_plugin(args: &Args, program: &Path) -> Result<Plugin, Error> {
    let forward = args.forward.as_ref().and_then(Option::as_deref);
    let named = args.plugin.as_deref().or(forward);
    Ok(Plugin::find(named, program)?)
}

/// The plugin forwards the functions' instructions if `args` says so, and writes records to `out`.
pub(crate) fn plugin_task(args: &Args, servers: &[Server], out: Option<&Path>) -> Task {
    let channels = servers.iter().map(Server::channel).enumerate();
    let forward: Vec<_> = channels
        .filter(|_| args.forward.is_some())
        .map(|(function, channel)| (channel, fid(function)))
        .collect();
    Task {
        // Only the probe is told everything; Linux would ask for a DMA window that QEMU refuses.
        clp: (out.is_none() && !forward.is_empty()).then_some("full"),
        out: out.map(Path::to_owned),
        moves: args.moves.filter(|_| !forward.is_empty()),
        forward,
        defect: args.defect.clone(),
    }
}

/// The plugin's own list of its deliberate defects. Only QEMU can load the plugin and ask it.
///
/// # Errors
/// See [`Error`].
pub(crate) fn defects(args: &Args, program: &Path) -> Result<String, Error> {
    let plugin = find_plugin(args, program)?;
    let qemu = qemu::locate(args.qemu.first().map(|named| named.as_os_str()))?;
    let output = std::process::Command::new(&qemu.path)
        .arg("-plugin")
        .arg(plugin.argument(&Task {
            defect: Some("list".to_owned()),
            ..Task::default()
        }))
        .output()
        .map_err(|source| Error::File {
            path: qemu.path.clone(),
            source,
        })?;
    let said = String::from_utf8_lossy(&output.stderr);
    let mut list = String::new();
    // QEMU's own last words are that it could not load the plugin.
    for line in said.lines().filter(|line| !line.starts_with("qemu-")) {
        list.push_str(line.trim_start_matches("vfio-user-ism-plugin: "));
        list.push('\n');
    }
    Ok(list)
}
