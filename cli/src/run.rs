//! Carries out a command line. Exit codes: 0 clean, 1 violations at or above `--fail-on`, 2 usage
//! or profile, 3 cannot start.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use vfio_user_ism_server::StartError;
use vfio_user_ism_server::listen::ListenError;
use vfio_user_ism_server::listen::sockets::SocketsError;
use vfio_user_ism_server::profile::{self, Plan, ProfileError, builtin};
use vfio_user_ism_server::record::{ReportError, events};

use crate::args::{Cli, Command, EventsCommand, ProfileCommand};
use crate::{ctl, rules_list, serve, shell};

/// Exit code when violations at or above `--fail-on` were seen.
pub(crate) const VIOLATIONS: u8 = 1;
/// Exit code for bad usage or a bad profile.
pub(crate) const USAGE: u8 = 2;
/// Exit code when the server cannot start.
pub(crate) const CANNOT_START: u8 = 3;

/// The three uses, for somebody who starts the program bare.
#[cfg(feature = "tools")]
const USES: &str = "\
Test a QEMU:     vfio-user-ism intercept --qemu PATH
Boot a lab:      vfio-user-ism lab --guests 2
Start a server:  vfio-user-ism --socket-path /tmp/ism.sock

`vfio-user-ism --help` lists all commands.";
#[cfg(not(feature = "tools"))]
const USES: &str = "\
Start a server:  vfio-user-ism --socket-path /tmp/ism.sock

`vfio-user-ism --help` lists all commands.";

/// Why the program ends without having done its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("profile")]
    Profile(#[from] ProfileError),
    /// The command line.
    #[error("{0}")]
    Usage(String),
    /// No socket was named or passed.
    #[error(
        "no socket: expected one of --socket-path, --socket-dir, --fd, or sockets passed by systemd"
    )]
    NoSocket,
    /// No command and no socket was named.
    #[error("expected a command or a socket\n\n{USES}")]
    NoCommand,
    /// A socket that was passed cannot be taken over.
    #[error("cannot start")]
    Listen(#[source] ListenError),
    /// The server did not start.
    #[error(transparent)]
    Start(StartError),
    #[error("cannot write the report")]
    Report(#[source] ReportError),
    /// Anything else of the system.
    #[error("{what}")]
    System {
        /// The attempted action.
        what: String,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// A command beside the server failed.
    #[cfg(feature = "tools")]
    #[error(transparent)]
    Tool(#[from] crate::tools::ToolFailure),
}

impl Failure {
    /// Where to look next, for a failure that may come from what this machine lacks.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            #[cfg(feature = "tools")]
            Failure::Tool(failure) => failure.hint(),
            _ => None,
        }
    }

    /// Exit code of this failure.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Profile(_) | Failure::Usage(_) | Failure::NoSocket | Failure::NoCommand => {
                USAGE
            }
            Failure::Start(StartError::Sockets(SocketsError::OneForSeveral { .. })) => USAGE,
            #[cfg(feature = "tools")]
            Failure::Tool(failure) => failure.code(),
            _ => CANNOT_START,
        })
    }
}

/// Carries out a command line.
pub(crate) fn run(cli: Cli) -> Result<ExitCode, Failure> {
    match cli.command {
        None => serve::serve(&cli.serve).map_err(|failure| match failure {
            Failure::NoSocket => Failure::NoCommand,
            other => other,
        }),
        Some(Command::Serve(args)) => serve::serve(&args),
        Some(Command::Rules { format, profile }) => {
            let plan = plan(profile.as_deref())?;
            let rules = plan
                .functions
                .first()
                .map(|function| function.config.rules.clone());
            print(&rules_list::list(&rules.unwrap_or_default(), format))
        }
        Some(Command::Explain { id }) => match rules_list::explain(&id) {
            Some(text) => print(&text),
            None => Err(Failure::Usage(format!(
                "no rule {id:?}; `vfio-user-ism rules` lists all, perhaps {}",
                rules_list::nearest(&id)
            ))),
        },
        Some(Command::Profile(ProfileCommand::Check { file })) => {
            let plan = profile::load(&file)?;
            let names: Vec<_> = plan
                .functions
                .iter()
                .map(|function| function.config.name.as_str())
                .collect();
            print(&format!(
                "{}: profile {:?}, functions {}\n",
                file.display(),
                plan.name,
                names.join(", ")
            ))
        }
        Some(Command::Profile(ProfileCommand::Schema)) => print(&pretty(&profile::schema())),
        Some(Command::Profile(ProfileCommand::Show { file })) => {
            print(&pretty(&plan(file.as_deref())?.show()))
        }
        Some(Command::Events(EventsCommand::Schema)) => print(&pretty(&events::schema())),
        Some(Command::Ctl(args)) => ctl::ctl(&args),
        Some(Command::Completions { shell }) => {
            print(&String::from_utf8_lossy(&shell::completions(shell)))
        }
        Some(Command::Man { folder }) => {
            shell::man(&folder).map_err(|source| Failure::System {
                what: format!("cannot write the manual pages to {}", folder.display()),
                source,
            })?;
            Ok(ExitCode::SUCCESS)
        }
        #[cfg(feature = "tools")]
        Some(Command::Tool(tool)) => crate::tools::run(tool),
    }
}

pub(crate) fn plan(path: Option<&Path>) -> Result<Plan, Failure> {
    Ok(match path {
        Some(path) => profile::load(path)?,
        None => profile::parse(builtin::NAME, builtin::ISM)?,
    })
}

pub(crate) fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

/// Prints to stdout; a reader that went away is no failure.
pub(crate) fn print(text: &str) -> Result<ExitCode, Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::System {
            what: "cannot write to stdout".to_owned(),
            source: error,
        }),
        _ => Ok(ExitCode::SUCCESS),
    }
}
