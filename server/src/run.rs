//! Carries out a command line. Exit codes: 0 clean, 1 violations at or above `--fail-on`, 2 usage
//! or profile, 3 cannot start.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use lab::KernelChoice;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use zpci_region::request::CarrierPolicy;

use crate::announce::{self, Ready};
use crate::cli::{Cli, Command, FetchWhat, LogFormat, ProfileCommand, ServeArgs};
use crate::hub::Hub;
use crate::listen::ListenError;
use crate::profile::{self, Plan, ProfileError, builtin};
use crate::record::{EventError, EventFile, ReportError, ReportFile};
use crate::reporting::Reporting;
use crate::sandbox::{Needs, Sandbox, SandboxError};
use crate::sockets::Sockets;
use crate::threads::Threads;
use crate::{capabilities, descriptor_limit, irq_watch, logging, rules_list, serve, with_parent};

/// Exit code when violations at or above `--fail-on` were seen.
const VIOLATIONS: u8 = 1;
/// Exit code for bad usage or a bad profile.
const USAGE: u8 = 2;
/// Exit code when the server cannot start.
const CANNOT_START: u8 = 3;

/// Why the program ends without having done its work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The profile.
    #[error("profile")]
    Profile(#[from] ProfileError),
    /// The command line.
    #[error("{0}")]
    Usage(String),
    /// A socket.
    #[error("cannot start")]
    Listen(#[source] ListenError),
    /// The event file.
    #[error("cannot start")]
    Events(#[source] EventError),
    /// The report file.
    #[error("cannot start")]
    ReportFile(#[source] ReportError),
    /// The report.
    #[error("cannot write the report")]
    Report(#[source] ReportError),
    /// The sandbox.
    #[error("cannot start")]
    Sandbox(#[source] SandboxError),
    /// Anything else of the system.
    #[error("{what}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The fabric refused the profile's functions.
    #[error("cannot start: {0}")]
    Fabric(String),
    /// The interception test could not be run.
    #[error("intercept")]
    Intercept(#[source] Box<intercept::Error>),
    /// The lab could not be run.
    #[error("lab")]
    Lab(#[source] Box<lab::Error>),
    /// The lab's modules could not be built.
    #[error("fetch")]
    Kit(#[source] lab::KitError),
    /// Fetching failed.
    #[error("fetch: {0}")]
    Fetch(String),
}

impl Failure {
    /// Exit code of this failure.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Profile(_) | Failure::Usage(_) => USAGE,
            Failure::Intercept(error) if error.is_usage() => USAGE,
            Failure::Lab(error) if error.is_usage() => USAGE,
            _ => CANNOT_START,
        })
    }
}

/// Carries out a command line.
pub fn run(cli: Cli) -> Result<ExitCode, Failure> {
    match cli.command {
        None => start(&cli.serve),
        Some(Command::Serve(args)) => start(&args),
        Some(Command::Rules { format, profile }) => {
            let plan = plan(profile.as_deref())?;
            let rules = plan
                .functions
                .first()
                .map(|function| function.rules.clone());
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
                .map(|function| function.name.as_str())
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
        Some(Command::Intercept(args)) => intercept(&args),
        Some(Command::Lab(args)) => lab(&args),
        Some(Command::WithParent { parent, words }) => Err(Failure::System {
            what: format!("cannot become {}", words[0].display()),
            source: with_parent::become_program(parent, &words),
        }),
        Some(Command::Fetch { what }) => fetch(what),
    }
}

fn plan(path: Option<&Path>) -> Result<Plan, Failure> {
    Ok(match path {
        Some(path) => profile::load(path)?,
        None => profile::parse(builtin::NAME, builtin::ISM)?,
    })
}

fn pretty(value: &serde_json::Value) -> String {
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
        Err(error) => Err(Failure::Intercept(Box::new(error))),
    }
}

fn fetch(what: FetchWhat) -> Result<ExitCode, Failure> {
    logging::start(LogFormat::Text);
    let parts = match what {
        FetchWhat::Qemu => Some(debian_fetch::What::Qemu),
        FetchWhat::Guest => Some(debian_fetch::What::Guest),
        FetchWhat::All => Some(debian_fetch::What::Both),
        FetchWhat::Lab | FetchWhat::Lab72 => None,
    };
    let kits: &[KernelChoice] = match what {
        FetchWhat::Qemu | FetchWhat::Guest => &[],
        FetchWhat::Lab => &[KernelChoice::Linux612],
        FetchWhat::Lab72 => &[KernelChoice::Linux72],
        FetchWhat::All => &[KernelChoice::Linux612, KernelChoice::Linux72],
    };
    let mut summary = match parts {
        Some(parts) => {
            debian_fetch::run(parts).map_err(|error| Failure::Fetch(error.to_string()))?
        }
        None => debian_fetch::Summary { parts: Vec::new() },
    };
    for kit in kits {
        let part = lab::kit::part(kit).map_err(Failure::Kit)?;
        summary.parts.push(part);
    }
    print(&format!("{summary}\n"))
}

fn start(args: &ServeArgs) -> Result<ExitCode, Failure> {
    if args.print_capabilities {
        return print(&pretty(&capabilities::capabilities()));
    }
    logging::start(args.log_format);
    let plan = plan(args.profile.as_deref())?;
    // Descriptors that were handed over are taken before any of our own are opened.
    let ready = args.ready_fd.map(Ready::new).transpose()?;
    descriptor_limit::raise(plan.functions.len());
    let opened = Sockets::open(args, &plan)?;
    let events = args
        .events
        .as_deref()
        .map(|path| EventFile::create(path, args.events_limit));
    let events = events.transpose().map_err(Failure::Events)?;
    let report = args.report.as_deref().map(ReportFile::open).transpose();
    let mut reporting = Reporting::new(report.map_err(Failure::ReportFile)?);
    // From here on nothing new is opened. Threads that start later are restricted, too.
    let needs = needs(&plan, &opened);
    let sandbox = Sandbox::restrict_files(args.sandbox, &needs).map_err(Failure::Sandbox)?;
    let hub = Hub::new(plan, events).map_err(|error| Failure::Fabric(error.to_string()))?;
    hub.set_poll(Duration::from_micros(args.poll_us));
    // This thread waits for signals, those of the functions for clients.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Failure::System {
            what: "cannot start the runtime".to_owned(),
            source,
        })?;
    let names = hub.names();
    let threads = Threads::start(names).map_err(|source| Failure::System {
        what: "cannot start a thread for every function".to_owned(),
        source,
    })?;
    irq_watch::start().map_err(|source| Failure::System {
        what: "cannot start the thread that looks after eventfds".to_owned(),
        source,
    })?;
    sandbox.restrict_calls().map_err(Failure::Sandbox)?;
    let arguments = announce::arguments(&hub, &opened.paths);
    runtime.block_on(async {
        let system = |what: &str| {
            let what = what.to_owned();
            move |source| Failure::System { what, source }
        };
        let (stop, stopped) = watch::channel(false);
        let mut terminate =
            signal(SignalKind::terminate()).map_err(system("cannot handle SIGTERM"))?;
        let mut interrupt =
            signal(SignalKind::interrupt()).map_err(system("cannot handle SIGINT"))?;
        let mut asked =
            signal(SignalKind::user_defined1()).map_err(system("cannot handle SIGUSR1"))?;
        announce::announce(&arguments, ready)?;
        let serving = serve::serve(&hub, opened.sources, &threads, stopped);
        let writing = hub.write_events();
        tokio::pin!(serving, writing);
        let signalled = loop {
            tokio::select! {
                ended = &mut serving => return ended.map_err(system("cannot serve")),
                _ = terminate.recv() => break "SIGTERM",
                _ = interrupt.recv() => break "SIGINT",
                () = &mut writing => {}
                _ = asked.recv() => reporting.now(&hub),
            }
        };
        tracing::info!("{signalled}: ending");
        let _ = stop.send(true);
        serving.await.map_err(system("cannot serve"))
    })?;
    drop(threads);
    drop(opened.files);
    finish(args, reporting, &hub)
}

/// What serving takes beside what is open.
fn needs<'a>(plan: &Plan, opened: &'a Sockets) -> Needs<'a> {
    let paths = opened.paths.iter().flatten();
    Needs {
        socket_folders: paths.filter_map(|path| path.parent()).collect(),
        client_memory: plan.functions.iter().any(|function| {
            matches!(
                function.carrier,
                CarrierPolicy::Auto | CarrierPolicy::ProcessVirtual
            )
        }),
    }
}

fn finish(args: &ServeArgs, reporting: Reporting, hub: &Hub) -> Result<ExitCode, Failure> {
    reporting.end(hub).map_err(Failure::Report)?;
    let worst = hub.worst();
    let failed = args
        .fail_on
        .severity()
        .is_some_and(|least| worst.is_some_and(|worst| worst >= least));
    Ok(if failed {
        ExitCode::from(VIOLATIONS)
    } else {
        ExitCode::SUCCESS
    })
}
