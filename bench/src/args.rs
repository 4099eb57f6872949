//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Measures the server beside a minimal `vfio_user::Server` and a bare socket ping-pong, and beside a
/// libvfio-user server if the variable LIBVFIO_USER names the folder in which that library is
/// installed (with include and lib).
#[derive(Debug, Parser)]
#[command(name = "bench", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    /// One of the servers that are measured.
    #[command(subcommand)]
    pub role: Option<Role>,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Run every row for a moment only: shows that it runs, measures nothing.
    #[arg(long)]
    pub quick: bool,
    /// Rounds of each row.
    #[arg(long, value_name = "N", default_value_t = 15)]
    pub rounds: usize,
    /// How long one server is driven in one round, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 40)]
    pub round_ms: u64,
    /// How long server and client spin in the polled rows, in microseconds.
    #[arg(long, value_name = "US", default_value_t = 50)]
    pub poll_us: u64,
    /// Only rows whose name contains this.
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Compare with what --format json printed earlier.
    #[arg(long, value_name = "FILE")]
    pub compare: Option<PathBuf>,
    /// Draw the ratios into this file, as SVG.
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

/// A server that the benchmark starts as a process of its own.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// A minimal `vfio_user::Server`.
    #[command(hide = true)]
    Foreign {
        /// Where it listens.
        socket: PathBuf,
    },
    /// The other end of a ping-pong.
    #[command(hide = true)]
    Bare {
        /// Where it listens.
        socket: PathBuf,
        /// How long it spins for the next message before it waits.
        #[arg(long, default_value_t = 0)]
        poll_us: u64,
    },
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables.
    #[default]
    Table,
    /// One JSON object.
    Json,
}
