//! The command line, as typed.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use vfio_user_ism_server::limits;
use vfio_user_ism_server::sandbox;
use zpci_region::Severity;

use crate::logging::LogFormat;

/// Emulated ISM function (1014:04ed) for QEMU's vfio-user-pci, with every store checked.
#[derive(Debug, Parser)]
#[command(
    name = "vfio-user-ism",
    version,
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Cli {
    /// The command. Without one, the program serves.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Flags of `serve`.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// The action.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the functions of a profile. This is the default command.
    Serve(ServeArgs),
    /// List the rules.
    Rules {
        /// How to print them.
        #[arg(long, value_enum, default_value_t)]
        format: ListFormat,
        /// Show the severities of this profile instead of the defaults.
        #[arg(long, value_name = "FILE")]
        profile: Option<PathBuf>,
    },
    /// Explain one rule: what it checks, why, and the source.
    Explain {
        /// Id of the rule, e.g. `split-block-store`.
        id: String,
    },
    /// Check or show profiles.
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Describe the event file that `--events` writes.
    #[command(subcommand)]
    Events(EventsCommand),
    /// Change a running server (`serve --control SOCKET`): set and clear faults, inject one at once,
    /// list functions and counts, follow its events.
    Ctl(crate::ctl::Args),
    /// A command beside the server.
    #[cfg(feature = "tools")]
    #[command(flatten)]
    Tool(crate::tools::Tool),
    /// Print the completion script of a shell
    #[command(hide = true)]
    Completions {
        /// Shell that will read the script.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages to a folder
    #[command(hide = true)]
    Man {
        /// Folder for the pages. It is made if need be.
        folder: PathBuf,
    },
}

/// How to print a list.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum ListFormat {
    /// A table for people.
    #[default]
    Table,
    /// JSON.
    Json,
}

/// Profile commands.
#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    /// Check a profile file. The exit status is 0 for a usable one, 2 for any other.
    Check {
        /// Profile file to check.
        file: PathBuf,
    },
    /// Print the JSON schema of profiles.
    Schema,
    /// Print a profile with every default filled in. Without FILE, print the built-in one.
    Show {
        /// Profile file to print.
        file: Option<PathBuf>,
    },
}

/// Commands about the event file.
#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Print the JSON schema of a line of the event file.
    Schema,
}

/// Longest time to poll for a message. Longer polling only wastes CPU.
const MAX_POLL_US: u64 = 100_000;

/// Flags of `serve`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServeArgs {
    /// Device profile (JSON) [default: the built-in profile `ism`].
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Listen on this UNIX socket (a profile with one function), and on PATH.insn for its
    /// instruction channel.
    #[arg(long, value_name = "PATH", group = "socket")]
    pub socket_path: Option<PathBuf>,
    /// Listen on DIR/NAME.sock for every function of the profile, and on DIR/NAME.sock.insn for its
    /// instruction channel.
    #[arg(long, value_name = "DIR", group = "socket")]
    pub socket_dir: Option<PathBuf>,
    /// Serve this descriptor: a listening or a connected UNIX socket.
    #[arg(long, value_name = "N", group = "socket")]
    pub fd: Option<i32>,
    /// Also serve the instruction channel on this descriptor: a listening or a connected UNIX socket.
    #[arg(long, value_name = "N", requires = "fd", conflicts_with_all = ["socket_path", "socket_dir"])]
    pub insn_fd: Option<i32>,
    /// Write every access, command and violation to this file, as JSON Lines.
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Stop writing events when the file has this many bytes.
    #[arg(long, value_name = "BYTES", default_value_t = limits::EVENTS_BYTES)]
    pub events_limit: u64,
    /// Write every message of every client to this file, as pcapng for Wireshark and `replay`.
    #[arg(long, value_name = "FILE")]
    pub capture: Option<PathBuf>,
    /// Keep at most this many bytes of each message in the capture. The header takes 16.
    #[arg(long, value_name = "BYTES", requires = "capture")]
    pub capture_bytes: Option<u32>,
    /// Stop capturing when the file has this many bytes.
    #[arg(long, value_name = "BYTES", default_value_t = limits::EVENTS_BYTES)]
    pub capture_limit: u64,
    /// Write totals by rule, path and function to this file at exit, as JSON.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Answer on this UNIX socket with the totals, as Prometheus text over HTTP.
    #[arg(long, value_name = "SOCKET")]
    pub metrics: Option<PathBuf>,
    /// Take commands on this UNIX socket, for example from `ctl`: set and clear faults while guests
    /// run.
    #[arg(long, value_name = "SOCKET")]
    pub control: Option<PathBuf>,
    /// Exit with status 1 after a violation of at least this severity.
    #[arg(long, value_name = "SEVERITY", value_parser = fail_on(), default_value = "never")]
    pub fail_on: Severity,
    /// Write "ready\n" to this descriptor, and close it, once clients can connect.
    #[arg(long, value_name = "N")]
    pub ready_fd: Option<i32>,
    /// Drop every right that serving does not need, before the first client connects.
    #[arg(long, value_enum, value_name = "MODE", default_value_t)]
    pub sandbox: SandboxMode,
    /// After each message, poll for the next one for at most this many microseconds. Answers come
    /// sooner, but a busy client occupies a processor. 0 never polls.
    #[arg(long, value_name = "MICROSECONDS", default_value_t = 0,
          value_parser = clap::value_parser!(u64).range(..=MAX_POLL_US))]
    pub poll_us: u64,
    /// Print what this program can do, as JSON, and exit.
    #[arg(long)]
    pub print_capabilities: bool,
    /// Format of log lines on stderr.
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// Whether to drop the rights that serving does not need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SandboxMode {
    /// Use every protection that the kernel has.
    #[default]
    On,
    /// Use all protections, or do not start.
    Required,
    /// Use no protection. For debuggers, sanitizers and valgrind.
    Off,
}

impl From<SandboxMode> for sandbox::Mode {
    fn from(mode: SandboxMode) -> Self {
        match mode {
            SandboxMode::On => sandbox::Mode::On,
            SandboxMode::Required => sandbox::Mode::Required,
            SandboxMode::Off => sandbox::Mode::Off,
        }
    }
}

/// The values of `--fail-on`; `never` is [`Severity::Off`].
fn fail_on() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(["never", "note", "warn", "reject"]).map(|name| match name.as_str() {
        "note" => Severity::Note,
        "warn" => Severity::Warn,
        "reject" => Severity::Reject,
        _ => Severity::Off,
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_may_be_left_out() {
        let cli = Cli::try_parse_from(["vfio-user-ism", "--socket-path", "/tmp/x"]).unwrap();
        assert!(cli.command.is_none() && cli.serve.socket_path.is_some());
        let cli = Cli::try_parse_from(["vfio-user-ism", "serve", "--fd", "3"]).unwrap();
        assert!(matches!(cli.command, Some(Command::Serve(args)) if args.fd == Some(3)));
    }

    #[test]
    fn one_socket_only() {
        let two = ["vfio-user-ism", "--socket-path", "/tmp/x", "--fd", "3"];
        assert!(Cli::try_parse_from(two).is_err());
    }
}
