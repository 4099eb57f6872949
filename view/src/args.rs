//! The command line of `view`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

const EXAMPLES: &str = "\
Examples:
  Make a page, events.html:
    vfio-user-ism view events.jsonl
  Make one page of a server's events and the plugin's records:
    vfio-user-ism view events.jsonl guest0-records.jsonl --output session.html
  Make a trace for https://ui.perfetto.dev:
    vfio-user-ism view events.jsonl --perfetto trace.json
  Watch a running server:
    vfio-user-ism view /tmp/ctl.sock --follow";

/// Flags of `view`.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Event files of a server (`serve --events`) and record files of the plugin. Several files make one page.
    #[arg(required = true, value_name = "EVENTS")]
    pub files: Vec<PathBuf>,
    /// Write the page to this file [default: the first file's name with `.html`].
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write a trace for Perfetto and Chrome's `about:tracing` to this file instead of a page.
    ///
    /// Give `--output`, too, to get both.
    #[arg(long, value_name = "FILE")]
    pub perfetto: Option<PathBuf>,
    /// Show the session in the terminal while the server writes its event file.
    ///
    /// The screen shows functions, rates, DMBs (buffers), the last violations and faults. EVENTS may also be the
    /// control socket of a running server (`serve --control SOCKET`). The screen then shows only later events.
    #[arg(long, conflicts_with_all = ["output", "perfetto"])]
    pub follow: bool,
    /// With `--follow`: show the present content of the file once, and end.
    #[arg(long, requires = "follow", conflicts_with_all = ["output", "perfetto"])]
    pub once: bool,
}
