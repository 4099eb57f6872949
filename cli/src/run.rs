//! Carries out a command line. Exit codes: 0 clean, 1 violations at or above `--fail-on`, 2 usage
//! or profile, 3 cannot start.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use debian_fetch::{FetchArgs, FetchWhat};
use lab::KernelChoice;
use vfio_user_ism_server::StartError;
use vfio_user_ism_server::listen::ListenError;
use vfio_user_ism_server::listen::sockets::SocketsError;
use vfio_user_ism_server::profile::{self, Plan, ProfileError, builtin};
use vfio_user_ism_server::record::{ReportError, events};

use crate::args::{Cli, Command, EventsCommand, LogFormat, ProfileCommand};
use crate::{ctl, logging, replay, rules_list, serve, shell};

/// Exit code when violations at or above `--fail-on` were seen.
pub(crate) const VIOLATIONS: u8 = 1;
/// Exit code for bad usage or a bad profile.
const USAGE: u8 = 2;
/// Exit code when the server cannot start.
const CANNOT_START: u8 = 3;

/// The three uses, for somebody who starts the program bare.
const USES: &str = "\
Test a QEMU:     vfio-user-ism intercept --qemu PATH
Boot a lab:      vfio-user-ism lab --guests 2
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
    /// The interception test could not be run.
    #[error("intercept")]
    Intercept(#[source] Box<intercept::Error>, u8),
    /// The lab could not be run.
    #[error("lab")]
    Lab(#[source] Box<lab::Error>),
    /// The capture cannot be played.
    #[error("replay")]
    Replay(#[source] vfio_user_ism_view::replay::ReplayError),
    /// The session cannot be shown.
    #[error("view")]
    View(#[source] vfio_user_ism_view::Error),
    /// The lab's modules could not be built.
    #[error("fetch")]
    Kit(#[source] lab::KitError),
    /// QEMU could not be built.
    #[error("fetch")]
    QemuBuild(#[source] qemu_zpci::BuildError),
    /// The changes cannot be applied to a QEMU tree.
    #[error("qemu")]
    Qemu(#[source] qemu_zpci::Error),
    /// Fetching failed.
    #[error("fetch: {0}")]
    Fetch(String),
}

impl Failure {
    /// Where to look next, for a failure that may come from what this machine lacks.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        let lacks = match self {
            Failure::Intercept(error, _) => !error.is_usage(),
            Failure::Lab(error) => !error.is_usage(),
            Failure::Kit(_) | Failure::QemuBuild(_) | Failure::Fetch(_) => true,
            _ => false,
        };
        lacks.then_some("`vfio-user-ism doctor` says what this machine lacks")
    }

    /// Exit code of this failure.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Profile(_) | Failure::Usage(_) | Failure::NoSocket | Failure::NoCommand => {
                USAGE
            }
            Failure::Start(StartError::Sockets(SocketsError::OneForSeveral { .. })) => USAGE,
            Failure::Intercept(error, _) if error.is_usage() => USAGE,
            Failure::Intercept(_, cannot_run) => *cannot_run,
            Failure::Lab(error) if error.is_usage() => USAGE,
            Failure::View(error) if error.is_usage() => USAGE,
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
        Some(Command::Intercept(args)) => intercept(&args),
        Some(Command::Lab(args)) => lab(&args),
        Some(Command::Doctor(args)) => {
            let (text, all) = doctor::run(&args, lab::kit::is_kernel);
            print(&text)?;
            Ok(ExitCode::from(u8::from(!all)))
        }
        Some(Command::Ctl(args)) => ctl::ctl(&args),
        Some(Command::Replay(args)) => replay::replay(&args),
        Some(Command::View(args)) => match vfio_user_ism_view::run(&args) {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => Err(Failure::View(error)),
        },
        Some(Command::Qemu(args)) => print(&qemu_zpci::run(&args).map_err(Failure::Qemu)?),
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
        Some(Command::WithParent { parent, words }) => Err(Failure::System {
            what: format!("cannot become {}", words[0].display()),
            source: harness::become_program(parent, &words),
        }),
        Some(Command::Fetch(args)) => fetch(&args),
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

fn own_path() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|source| Failure::System {
        what: "cannot tell this program's own path".to_owned(),
        source,
    })
}

fn lab(args: &lab::Args) -> Result<ExitCode, Failure> {
    lab::run(args, &own_path()?)
        .map(ExitCode::from)
        .map_err(|error| Failure::Lab(Box::new(error)))
}

fn intercept(args: &intercept::Args) -> Result<ExitCode, Failure> {
    let program = own_path()?;
    match intercept::run(args, &program) {
        Ok(intercept::Ending::Good) => Ok(ExitCode::SUCCESS),
        Ok(intercept::Ending::NotGood) => Ok(ExitCode::from(VIOLATIONS)),
        Err(error) => Err(Failure::Intercept(Box::new(error), args.cannot_run_status)),
    }
}

fn fetch(args: &FetchArgs) -> Result<ExitCode, Failure> {
    logging::start(LogFormat::Text);
    let failed = |error: debian_fetch::Error| Failure::Fetch(error.to_string());
    let unprintable = |error: serde_json::Error| Failure::Fetch(error.to_string());
    let cache = args.cache().map_err(failed)?;
    if args.what == FetchWhat::List {
        let listing = debian_fetch::list(args, &cache).map_err(failed)?;
        return print(&listing.show(args.format).map_err(unprintable)?);
    }
    if args.source.is_some() && args.what != FetchWhat::QemuZpci {
        let words = "fetch: --source is for qemu-zpci alone: `fetch qemu-zpci --source TREE`";
        return Err(Failure::Usage(words.to_owned()));
    }
    let mut summary = debian_fetch::run(args, &cache).map_err(failed)?;
    if args.what == FetchWhat::QemuZpci {
        let part = qemu_zpci::build::part(&cache, args.source.as_deref());
        summary.parts.push(part.map_err(Failure::QemuBuild)?);
    }
    for series in args.lab_kernels() {
        let part = lab::kit::part(&cache, &KernelChoice::Debian(series)).map_err(Failure::Kit)?;
        summary.parts.push(part);
    }
    if args.what == FetchWhat::LabDebug {
        // Of several series, each is built.
        let chosen = args.kernel.iter().copied().map(Some);
        let all: Vec<_> = if args.kernel.is_empty() {
            vec![None]
        } else {
            chosen.collect()
        };
        for series in all {
            let part = lab::kit::part(&cache, &KernelChoice::Debug(series));
            summary.parts.push(part.map_err(Failure::Kit)?);
        }
    }
    print(&summary.show(args.format).map_err(unprintable)?)
}
