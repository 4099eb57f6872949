//! The command line, as typed.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use vfio_user_ism_server::limits;
use vfio_user_ism_server::sandbox;
use zpci_region::Severity;

use crate::logging::LogFormat;

const SERVE: &str = "Serving";
const RECORD: &str = "Records";
const RESULT: &str = "Result";

const EXAMPLES: &str = "\
Examples:
  Test how a QEMU carries out zPCI instructions:
    vfio-user-ism intercept --qemu build/qemu-system-s390x --html report.html
  Boot two Linux guests with ISM functions:
    vfio-user-ism lab --guests 2
  Serve one function to a QEMU; the program prints QEMU's arguments:
    vfio-user-ism --socket-path /tmp/ism.sock
  Look up a rule that the log names:
    vfio-user-ism explain split-block-store";

const SERVE_EXAMPLES: &str = "\
Examples:
  Serve one function, and fail if a guest breaks a rule:
    vfio-user-ism serve --socket-path /tmp/ism.sock --fail-on warn
  Serve every function of a profile, and record everything:
    vfio-user-ism serve --profile configs/pair.json --socket-dir /tmp/ism \\
      --events events.jsonl --capture session.pcapng

Signals:
  SIGINT, SIGTERM  write the report and end
  SIGUSR1          write the report
  SIGUSR2          put every function into its error state

Exit status:
  0  the server ended without a violation that --fail-on counts
  1  a violation of at least the severity of --fail-on happened
  2  the command line or the profile is wrong
  3  the server could not start";

/// Test IBM Z PCI (zPCI) without IBM Z: an emulated ISM function (1014:04ed), and tools around it.
///
/// ISM (Internal Shared Memory) is the PCI function by which two Linux systems on one IBM Z machine write into
/// each other's memory. Without a command, the program serves ISM functions to QEMU's vfio-user-pci device,
/// and checks every store of the guest against named rules.
#[derive(Debug, Parser)]
#[command(
    name = "vfio-user-ism",
    version,
    args_conflicts_with_subcommands = true,
    after_long_help = EXAMPLES
)]
pub(crate) struct Cli {
    /// The command. Without one, the program acts as `serve`.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Flags of `serve`.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// A command of the program.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the functions of a profile. This is the default command.
    #[command(after_long_help = SERVE_EXAMPLES)]
    Serve(ServeArgs),
    /// List the rules that every access is checked against.
    Rules {
        /// Form of the list.
        #[arg(long, value_enum, default_value_t)]
        format: ListFormat,
        /// Show the severities of this profile instead of the defaults.
        #[arg(long, value_name = "FILE")]
        profile: Option<PathBuf>,
    },
    /// Explain one rule: the check, the reason and the source.
    Explain {
        /// Id of the rule, for example `split-block-store`. `rules` lists all ids.
        id: String,
    },
    /// Check or print profiles. A profile is a JSON file that describes the functions of a server.
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Print the schema of the event file that `serve --events` writes.
    #[command(subcommand)]
    Events(EventsCommand),
    /// Ask and change a running server (`serve --control SOCKET`): its functions, counts, events and faults.
    Ctl(crate::ctl::Args),
    /// A command beside the server.
    #[cfg(feature = "tools")]
    #[command(flatten)]
    Tool(crate::tools::Tool),
    /// Print the completion script for a shell.
    #[command(hide = true)]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages to a folder.
    #[command(hide = true)]
    Man {
        /// Folder for the pages. The program makes it if it does not exist.
        folder: PathBuf,
    },
}

/// Form of a list.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum ListFormat {
    /// A table for people.
    #[default]
    Table,
    /// JSON.
    Json,
}

/// Commands about profiles.
#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    /// Check a profile file. The exit status is 0 if the profile is usable, and 2 if it is not.
    Check {
        /// Profile file to check.
        file: PathBuf,
    },
    /// Print the JSON schema of profiles.
    Schema,
    /// Print a profile with every default filled in.
    Show {
        /// Profile file to print [default: the built-in profile `ism`].
        file: Option<PathBuf>,
    },
}

/// Commands about the event file.
#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Print the JSON schema of one line of the event file.
    Schema,
}

/// Longest time to poll for a message. Longer polling only wastes CPU.
const MAX_POLL_US: u64 = 100_000;

/// Flags of `serve`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServeArgs {
    /// Device profile (JSON) [default: the built-in profile `ism`].
    #[arg(long, value_name = "FILE", help_heading = SERVE)]
    pub profile: Option<PathBuf>,
    /// Listen on this UNIX socket. The profile must have one function.
    ///
    /// The function's instruction channel listens on PATH.insn. QEMU's plugin connects there.
    #[arg(long, value_name = "PATH", group = "socket", help_heading = SERVE)]
    pub socket_path: Option<PathBuf>,
    /// Listen on DIR/NAME.sock for every function of the profile.
    ///
    /// A function's instruction channel listens on DIR/NAME.sock.insn.
    #[arg(long, value_name = "DIR", group = "socket", help_heading = SERVE)]
    pub socket_dir: Option<PathBuf>,
    /// Serve this descriptor: a listening or a connected UNIX socket.
    #[arg(long, value_name = "N", group = "socket", help_heading = SERVE)]
    pub fd: Option<i32>,
    /// Also serve the instruction channel on this descriptor: a listening or a connected UNIX socket.
    #[arg(long, value_name = "N", requires = "fd", conflicts_with_all = ["socket_path", "socket_dir"],
          help_heading = SERVE)]
    pub insn_fd: Option<i32>,
    /// Write "ready\n" to this descriptor once clients can connect, then close it.
    #[arg(long, value_name = "N", help_heading = SERVE)]
    pub ready_fd: Option<i32>,
    /// Take commands on this UNIX socket, for example from `ctl`: set and clear faults while guests
    /// run.
    #[arg(long, value_name = "SOCKET", help_heading = SERVE)]
    pub control: Option<PathBuf>,
    /// Drop every right that serving does not need, before the first client connects.
    #[arg(long, value_enum, value_name = "MODE", default_value_t, help_heading = SERVE)]
    pub sandbox: SandboxMode,
    /// After each message, poll for the next one for at most this many microseconds. 0 never polls.
    ///
    /// Polling makes answers come sooner, but a busy client then occupies a processor.
    #[arg(long, value_name = "MICROSECONDS", default_value_t = 0,
          value_parser = clap::value_parser!(u64).range(..=MAX_POLL_US), help_heading = SERVE)]
    pub poll_us: u64,

    /// Write every access, command and violation to this file, as JSON Lines.
    #[arg(long, value_name = "FILE", help_heading = RECORD)]
    pub events: Option<PathBuf>,
    /// Stop writing events when the file has this many bytes.
    #[arg(long, value_name = "BYTES", default_value_t = limits::EVENTS_BYTES, help_heading = RECORD)]
    pub events_limit: u64,
    /// Write every message of every client to this file, as pcapng for Wireshark and `replay`.
    #[arg(long, value_name = "FILE", help_heading = RECORD)]
    pub capture: Option<PathBuf>,
    /// Keep at most this many bytes of each message in the capture. The header takes 16 [default: all].
    #[arg(long, value_name = "BYTES", requires = "capture", help_heading = RECORD)]
    pub capture_bytes: Option<u32>,
    /// Stop capturing when the file has this many bytes.
    #[arg(long, value_name = "BYTES", default_value_t = limits::EVENTS_BYTES, help_heading = RECORD)]
    pub capture_limit: u64,
    /// Write totals by rule, path and function to this file at exit, as JSON.
    #[arg(long, value_name = "FILE", help_heading = RECORD)]
    pub report: Option<PathBuf>,
    /// Answer on this UNIX socket with the totals, as Prometheus text over HTTP.
    #[arg(long, value_name = "SOCKET", help_heading = RECORD)]
    pub metrics: Option<PathBuf>,
    /// Format of the log lines on stderr.
    #[arg(long, value_enum, default_value_t, help_heading = RECORD)]
    pub log_format: LogFormat,

    /// Exit with status 1 after a violation of at least this severity.
    #[arg(long, value_name = "SEVERITY", value_parser = fail_on(), default_value = "never",
          help_heading = RESULT)]
    pub fail_on: Severity,
    /// Print the abilities of this program as JSON, and exit.
    #[arg(long, help_heading = RESULT)]
    pub print_capabilities: bool,
}

/// Protections of the host against the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SandboxMode {
    /// Use every protection that the kernel has.
    #[default]
    On,
    /// Use all protections. If the kernel lacks one, do not start.
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
    use clap::error::{ContextKind, ContextValue, ErrorKind};

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

    /// Parses words after the name of a command.
    fn parse(command: &clap::Command, words: &[String]) -> Result<(), clap::Error> {
        let words = [command.get_name().to_owned()]
            .into_iter()
            .chain(words.iter().cloned());
        command.clone().try_get_matches_from(words).map(|_| ())
    }

    /// A word that gives an argument, with a value that is good for it.
    fn word(command: &clap::Command, arg: &clap::Arg) -> String {
        let name = arg.get_long().map(|name| format!("--{name}"));
        if !arg.get_action().takes_values() {
            return name.unwrap();
        }
        let possible = arg.get_possible_values().into_iter();
        let mut values = possible
            .map(|value| value.get_name().to_owned())
            .chain(["x", "1", "200", "1:x", "11.1"].map(str::to_owned))
            .map(|value| match &name {
                Some(name) => format!("{name}={value}"),
                None => value,
            });
        let bad = [ErrorKind::InvalidValue, ErrorKind::ValueValidation];
        let good = |word: &String| match parse(command, std::slice::from_ref(word)) {
            Err(error) => !bad.contains(&error.kind()),
            Ok(()) => true,
        };
        values
            .find(good)
            .unwrap_or_else(|| panic!("no value for {arg}"))
    }

    /// The argument without which `words` are refused.
    fn required<'a>(command: &'a clap::Command, words: &[String]) -> Option<&'a clap::Arg> {
        let error = parse(command, words).err()?;
        if error.kind() != ErrorKind::MissingRequiredArgument {
            return None;
        }
        let Some(ContextValue::Strings(names)) = error.get(ContextKind::InvalidArg) else {
            panic!("{error}");
        };
        let is_named =
            |arg: &&clap::Arg| arg.get_long().is_some() && names.contains(&arg.to_string());
        command.get_arguments().find(is_named)
    }

    /// clap waives a requirement that another argument rules out, so that one must rule out both.
    #[test]
    fn an_argument_is_refused_beside_one_that_rules_out_what_it_needs() {
        let mut root = Cli::command();
        root.build();
        let mut open: Vec<&clap::Command> = vec![&root];
        let mut needs = 0;
        let mut passed = Vec::new();
        while let Some(command) = open.pop() {
            open.extend(command.get_subcommands());
            let positionals = command
                .get_positionals()
                .filter(|arg| arg.is_required_set());
            let base: Vec<String> = positionals.map(|arg| word(command, arg)).collect();
            let with = |args: &[&clap::Arg]| {
                let words = args.iter().map(|arg| word(command, arg));
                base.iter().cloned().chain(words).collect::<Vec<_>>()
            };
            for arg in command.get_opts() {
                let Some(needed) = required(command, &with(&[arg])) else {
                    continue;
                };
                needs += 1;
                for other in command.get_opts() {
                    let ruled_out = parse(command, &with(&[needed, other])).err();
                    let ruled_out =
                        ruled_out.filter(|why| why.kind() == ErrorKind::ArgumentConflict);
                    if ruled_out.is_some() && other.get_id() != needed.get_id() {
                        let both = with(&[arg, other]);
                        if parse(command, &both).is_ok() {
                            passed.push(format!("{}: {both:?}", command.get_name()));
                        }
                    }
                }
            }
        }
        assert!(passed.is_empty(), "accepted: {passed:#?}");
        assert!(needs >= 2, "{needs} arguments that need another");
    }

    #[test]
    fn two_sockets_are_refused() {
        let two = ["vfio-user-ism", "--socket-path", "/tmp/x", "--fd", "3"];
        assert!(Cli::try_parse_from(two).is_err());
    }
}
