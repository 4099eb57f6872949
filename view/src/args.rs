//! The command line of `view`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

/// Flags of `view`.
#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Args {
    /// Event files of a server (`--events`) and record files of the plugin. Several files make one
    /// page.
    #[arg(required = true, value_name = "EVENTS")]
    pub files: Vec<PathBuf>,
    /// Write the page to this file [default: the first file's name and `.html`].
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write a trace for Perfetto and Chrome's `about:tracing` to this file. Then `--output` is needed
    /// to get a page, too.
    #[arg(long, value_name = "FILE")]
    pub perfetto: Option<PathBuf>,
    /// Show functions, rates, DMBs, the last violations and faults in the terminal while the server
    /// writes its event file. The control socket of a running server (`serve --control SOCKET`) does
    /// as well as a file: the screen then begins with what happens from now on.
    #[arg(long, conflicts_with_all = ["output", "perfetto"])]
    pub follow: bool,
    /// With `--follow`: show the file's present content once, and end.
    #[arg(long, requires = "follow")]
    pub once: bool,
}
