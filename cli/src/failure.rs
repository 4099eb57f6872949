//! The reasons why the program fails, and its exit codes.
//!
//! 0 is success, 1 violations at or above `--fail-on`, 2 a wrong command line or profile, 3 a failed start.

use std::process::ExitCode;

use vfio_user_ism_server::StartError;
use vfio_user_ism_server::listen::ListenError;
use vfio_user_ism_server::listen::sockets::SocketsError;
use vfio_user_ism_server::profile::ProfileError;
use vfio_user_ism_server::record::ReportError;

/// Exit code when violations at or above `--fail-on` were seen.
pub(crate) const VIOLATIONS: u8 = 1;
/// Exit code for bad usage or a bad profile.
pub(crate) const USAGE: u8 = 2;
/// Exit code when the server cannot start.
pub(crate) const CANNOT_START: u8 = 3;

/// The three uses. A start without arguments prints them.
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

/// A reason why the program failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("profile")]
    Profile(#[from] ProfileError),
    /// The command line is wrong.
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
    /// A passed socket cannot be used.
    #[error("cannot start")]
    Listen(#[source] ListenError),
    /// The server did not start.
    #[error(transparent)]
    Start(StartError),
    #[error("cannot write the report")]
    Report(#[source] ReportError),
    /// Another system call failed.
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
    Tool(#[from] ToolFailure),
}

impl Failure {
    /// Advice for a failure that may come from a gap of this machine.
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

/// A failure of the system, with the attempted action.
pub(crate) fn system(what: &str) -> impl FnOnce(std::io::Error) -> Failure {
    let what = what.to_owned();
    move |source| Failure::System { what, source }
}

/// A reason why a command beside the server failed.
#[cfg(feature = "tools")]
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolFailure {
    /// The interception test could not run. The number is the exit code.
    #[error("intercept")]
    Intercept(#[source] Box<intercept::Error>, u8),
    /// The lab could not run.
    #[error("lab")]
    Lab(#[source] Box<lab::Error>),
    /// The capture could not be replayed.
    #[error("replay")]
    Replay(#[source] vfio_user_ism_view::replay::ReplayError),
    /// The session could not be shown.
    #[error("view")]
    View(#[source] vfio_user_ism_view::Error),
    /// The lab's modules could not be built.
    #[error("fetch")]
    Kit(#[source] lab::KitError),
    /// QEMU could not be built.
    #[error("fetch")]
    QemuBuild(#[source] qemu_zpci::BuildError),
    /// The changes could not be applied to a QEMU tree.
    #[error("qemu")]
    Qemu(#[source] qemu_zpci::Error),
    /// Fetching failed.
    #[error("fetch: {0}")]
    Fetch(String),
}

#[cfg(feature = "tools")]
impl ToolFailure {
    /// Advice for a failure that may come from a gap of this machine.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        let lacks = match self {
            Self::Intercept(error, _) => !error.is_usage(),
            Self::Lab(error) => !error.is_usage(),
            Self::Kit(_) | Self::QemuBuild(_) | Self::Fetch(_) => true,
            _ => false,
        };
        lacks.then_some("`vfio-user-ism doctor` says what this machine lacks")
    }

    /// Exit code of this failure.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Intercept(error, _) if error.is_usage() => USAGE,
            Self::Intercept(_, cannot_run) => *cannot_run,
            Self::Lab(error) if error.is_usage() => USAGE,
            Self::View(error) if error.is_usage() => USAGE,
            _ => CANNOT_START,
        }
    }
}
