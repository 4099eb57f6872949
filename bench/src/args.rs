//! The benchmark's command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Measures the server, a minimal `vfio_user::Server` and a bare socket ping-pong. If the variable
/// LIBVFIO_USER names a folder in which libvfio-user is installed (with include and lib), measures a server
/// on that library too.
#[derive(Debug, Parser)]
#[command(name = "bench", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    /// Serves as one of the measured servers.
    #[command(subcommand)]
    pub role: Option<Role>,
    /// Output format of the results.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Runs every row only for a moment: checks that it runs, and measures nothing.
    #[arg(long)]
    pub quick: bool,
    /// Number of rounds of each row.
    #[arg(long, value_name = "N", default_value_t = 15)]
    pub rounds: usize,
    /// Time in milliseconds for which one server is driven in one round.
    #[arg(long, value_name = "MS", default_value_t = 40)]
    pub round_ms: u64,
    /// Time in microseconds for which server and client poll in the polled rows.
    #[arg(long, value_name = "US", default_value_t = 50)]
    pub poll_us: u64,
    /// Runs only rows whose name contains this text.
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Compares with an earlier output of --format json.
    #[arg(long, value_name = "FILE")]
    pub compare: Option<PathBuf>,
    /// Draws the ratios into this file, as SVG.
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

/// A server that the benchmark starts as a separate process.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// A minimal `vfio_user::Server`.
    #[command(hide = true)]
    Foreign {
        /// Path of the socket on which it listens.
        socket: PathBuf,
    },
    /// The other side of a ping-pong.
    #[command(hide = true)]
    Bare {
        /// Path of the socket on which it listens.
        socket: PathBuf,
        /// Time in microseconds for which it polls for the next message before it waits.
        #[arg(long, default_value_t = 0)]
        poll_us: u64,
    },
}

/// Output format of the results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables for people.
    #[default]
    Table,
    /// One JSON object for programs.
    Json,
}
