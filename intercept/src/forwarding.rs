//! The plugin of a run: it forwards instructions, or records them.

use crate::args::Args;
use crate::error::Error;
use crate::plan::fid;
use crate::server::Server;
use harness::{Plugin, Task};
use std::path::Path;

/// The plugin from `args`, or the one beside the program.
pub(crate) fn find_plugin(args: &Args, program: &Path) -> Result<Plugin, Error> {
    let forward = args.forward.as_ref().and_then(Option::as_deref);
    let named = args.plugin.as_deref().or(forward);
    Ok(Plugin::find(named, program)?)
}

/// The plugin's task: it forwards the functions' instructions if `args` say so, and writes records to `out`.
pub(crate) fn plugin_task(args: &Args, servers: &[Server], out: Option<&Path>) -> Task {
    let channels = servers.iter().map(Server::channel).enumerate();
    let forward: Vec<_> = channels
        .filter(|_| args.forward.is_some())
        .map(|(function, channel)| (channel, fid(function)))
        .collect();
    Task {
        // Only the probe gets all facts. Linux would ask for a DMA window that QEMU refuses.
        clp: (out.is_none() && !forward.is_empty()).then_some("full"),
        out: out.map(Path::to_owned),
        moves: args.moves.filter(|_| !forward.is_empty()),
        ring: args.ring && !forward.is_empty(),
        forward,
        defect: args.defect.clone(),
    }
}
