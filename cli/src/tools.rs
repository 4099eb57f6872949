//! The commands beside the server: they test a QEMU, boot guests, fetch, and show recorded sessions.
//!
//! A program without the feature `tools` has none of them. It needs far fewer crates.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use debian_fetch::{FetchArgs, FetchWhat};
use lab::KernelChoice;
use vfio_user_ism_view::replay::ReplayArgs;

use crate::failure::{Failure, ToolFailure, VIOLATIONS, system};
use crate::logging::{self, LogFormat};
use crate::output::print;
use crate::replay;

/// A command beside the server.
#[derive(Debug, Subcommand)]
pub(crate) enum Tool {
    /// Test how a QEMU carries out zPCI instructions.
    ///
    /// A small probe guest executes some hundred zPCI instructions. The report compares what the guest executed
    /// with what the device saw.
    Intercept(Box<intercept::Args>),
    /// Boot Linux guests with ISM functions on one fabric, and with a network between them.
    ///
    /// The lab opens a guest's console, runs a command, plays scenarios, or measures. It fetches QEMU, a kernel
    /// and a compiler from Debian once, which takes minutes.
    Lab(Box<lab::Args>),
    /// Check whether the server, `intercept` and `lab` can run on this machine. Name a remedy for each gap.
    Doctor(doctor::Args),
    /// Show a recorded session: as a page with a sequence diagram, as a Perfetto trace, or live in the terminal.
    View(vfio_user_ism_view::Args),
    /// Send a captured client's messages to a server again, and print where the answers differ.
    Replay(ReplayArgs),
    /// Change a QEMU source tree so that it hands zPCI accesses to vfio-user functions in one piece.
    Qemu(qemu_zpci::Args),
    /// Fetch QEMU and guest parts from Debian into the cache folder, and build the lab's modules.
    Fetch(debian_fetch::FetchArgs),
    /// Become a program that the kernel kills when process PARENT ends. PARENT must have started this
    /// process.
    #[command(hide = true)]
    WithParent {
        /// Process id.
        parent: u32,
        /// The program and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<std::ffi::OsString>,
    },
}

/// Carries out one of these commands.
pub(crate) fn run(tool: Tool) -> Result<ExitCode, Failure> {
    match tool {
        Tool::Intercept(args) => intercept(&args),
        Tool::Lab(args) => lab(&args),
        Tool::Doctor(args) => {
            let (text, all) = doctor::run(&args, lab::kit::is_kernel);
            print(&text)?;
            Ok(ExitCode::from(u8::from(!all)))
        }
        Tool::View(args) => {
            vfio_user_ism_view::run(&args).map_err(ToolFailure::View)?;
            Ok(ExitCode::SUCCESS)
        }
        Tool::Replay(args) => replay::replay(&args),
        Tool::Qemu(args) => print(&qemu_zpci::run(&args).map_err(ToolFailure::Qemu)?),
        Tool::Fetch(args) => fetch(&args),
        Tool::WithParent { parent, words } => Err(Failure::System {
            what: format!("cannot become {}", words[0].display()),
            source: harness::become_program(parent, &words),
        }),
    }
}

fn own_path() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(system("cannot tell this program's own path"))
}

fn lab(args: &lab::Args) -> Result<ExitCode, Failure> {
    lab::run(args, &own_path()?)
        .map(ExitCode::from)
        .map_err(|error| ToolFailure::Lab(Box::new(error)).into())
}

fn intercept(args: &intercept::Args) -> Result<ExitCode, Failure> {
    let program = own_path()?;
    match intercept::run(args, &program) {
        Ok(intercept::Ending::Good) => Ok(ExitCode::SUCCESS),
        Ok(intercept::Ending::NotGood) => Ok(ExitCode::from(VIOLATIONS)),
        Err(error) => Err(ToolFailure::Intercept(Box::new(error), args.cannot_run_status).into()),
    }
}

fn fetch(args: &FetchArgs) -> Result<ExitCode, Failure> {
    logging::start(LogFormat::Text);
    let failed = |error: debian_fetch::Error| ToolFailure::Fetch(error.to_string());
    let unprintable = |error: serde_json::Error| ToolFailure::Fetch(error.to_string());
    let cache = args.cache().map_err(failed)?;
    if args.what == FetchWhat::List {
        let mut listing = debian_fetch::list(args, &cache).map_err(failed)?;
        if !args.offline {
            for tested in qemu_zpci::tested::TESTED {
                listing.add_zpci_source(tested.version, tested.bytes);
            }
        }
        return print(&args.format.text(&listing).map_err(unprintable)?);
    }
    if args.source.is_some() && args.what != FetchWhat::QemuZpci {
        let words = "fetch: --source is for qemu-zpci alone: `fetch qemu-zpci --source TREE`";
        return Err(Failure::Usage(words.to_owned()));
    }
    if !args.qemu_version.is_empty() && args.what != FetchWhat::QemuZpci {
        let words = "fetch: --qemu-version is for qemu-zpci alone: `fetch qemu-zpci --qemu-version VERSION`";
        return Err(Failure::Usage(words.to_owned()));
    }
    let mut summary = debian_fetch::run(args, &cache).map_err(failed)?;
    if args.what == FetchWhat::QemuZpci {
        let named = args
            .qemu_version
            .iter()
            .map(|version| Some(version.as_str()));
        let mut versions: Vec<_> = named.collect();
        if versions.is_empty() {
            versions.push(None);
        }
        for version in versions {
            let part = qemu_zpci::build::part(&cache, version, args.source.as_deref());
            summary.parts.push(part.map_err(ToolFailure::QemuBuild)?);
        }
    }
    for series in args.lab_kernels() {
        let part =
            lab::kit::part(&cache, &KernelChoice::Debian(series)).map_err(ToolFailure::Kit)?;
        summary.parts.push(part);
    }
    if args.what == FetchWhat::LabDebug {
        // Builds each of several series.
        let chosen = args.kernel.iter().copied().map(Some);
        let all: Vec<_> = if args.kernel.is_empty() {
            vec![None]
        } else {
            chosen.collect()
        };
        for series in all {
            let part = lab::kit::part(&cache, &KernelChoice::Debug(series));
            summary.parts.push(part.map_err(ToolFailure::Kit)?);
        }
    }
    print(&args.format.text(&summary).map_err(unprintable)?)
}
