//! One run: server and QEMU started, the guest's results and the device's events put into a recording.

use crate::args::Args;
use crate::error::Error;
use crate::events;
use crate::expect::Model;
use crate::observed;
use crate::plan::{Instruction, Plan};
use crate::plugin::{Plugin, option};
use crate::probe::{Image, ProbeResults, ProbeState};
use crate::profile::Profile;
use crate::qemu::{self, CommandLine, Qemu};
use crate::recording::{Environment, Recording, SCHEMA_VERSION, SetupOutcome, Source, Times};
use crate::server::Server;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Vendor and device of an ISM function.
const ISM: (u16, u16) = (0x1014, 0x04ed);

/// Memory of a guest other than the probe.
const GUEST_MEMORY: u64 = 512 << 20;

/// Executes `plan` under the QEMU that `args` names; `program` is the server's own executable.
///
/// # Errors
/// See [`Error`].
pub fn record(
    args: &Args,
    program: &Path,
    plan: Plan,
    profile: &Profile,
) -> Result<Recording, Error> {
    let image = Image::of_plan(&plan, Some(ISM), 0)?;
    let plugin = match args.forward {
        Some(_) => Some(Plugin::find(args, program)?),
        None => None,
    };
    let qemu = find_qemu(args)?;
    let folder = Folder::new(args.keep.as_deref())?;
    let kernel = folder.path().join("probe.elf");
    write(&kernel, &image.elf)?;
    let started = now();
    let mut server = Server::start(program, args.profile.as_deref(), folder.path())?;
    let mut guest = vec!["-kernel".into(), kernel.into_os_string()];
    if let Some(plugin) = &plugin {
        guest.extend(plugin.arguments(None, forwarded(args, &server), args.defect.as_deref()));
    }
    let line = CommandLine {
        socket: server.socket.clone(),
        memory: Image::MEMORY,
        guest,
        extra: args.qemu_arg.clone(),
    };
    let name_of = |record: u64| name_of(record, &image, &plan);
    let run = qemu::run_probe(
        &qemu,
        &line,
        folder.path(),
        Duration::from_secs(args.timeout),
        &name_of,
    )?;
    server.stop();
    let results = ProbeResults::read(&run.dump, image.setup.len(), plan.cases.len())?;
    check(&results, &name_of)?;
    let mut outcomes = results.cases;
    for (outcome, case) in outcomes.iter_mut().zip(&plan.cases) {
        // Other instructions leave in that register what they were given.
        if case.instruction != Instruction::Pcilg || !outcome.succeeded() {
            outcome.loaded = 0;
        }
    }
    Ok(Recording {
        schema_version: SCHEMA_VERSION,
        source: Source::Probe,
        environment: environment(args, qemu.version, profile),
        times: Times {
            started,
            guest_ms: u64::try_from(run.time.as_millis()).unwrap_or(u64::MAX),
        },
        plan,
        restarts: Vec::new(),
        model: model(profile),
        max_store_block: profile.max_store_block,
        facts: results.facts,
        setup: image
            .setup
            .into_iter()
            .zip(results.setup)
            .map(|(name, outcome)| SetupOutcome { name, outcome })
            .collect(),
        outcomes,
        pieces: events::read(&server.events)?,
    })
}

/// Runs the guest that `args` names, with the observing plugin, and records what it executed.
///
/// # Errors
/// See [`Error`].
pub fn observe(
    args: &Args,
    kernel: &Path,
    program: &Path,
    profile: &Profile,
) -> Result<Recording, Error> {
    let plugin = Plugin::find(args, program)?;
    let qemu = find_qemu(args)?;
    let folder = Folder::new(args.keep.as_deref())?;
    let records = folder.path().join("records.jsonl");
    let started = now();
    let mut server = Server::start(program, args.profile.as_deref(), folder.path())?;
    let mut guest = guest_arguments(args, kernel, folder.path());
    guest.extend(plugin.arguments(
        Some(&records),
        forwarded(args, &server),
        args.defect.as_deref(),
    ));
    let line = CommandLine {
        socket: server.socket.clone(),
        memory: GUEST_MEMORY,
        guest,
        extra: args.qemu_arg.clone(),
    };
    let patience = Duration::from_secs(args.timeout);
    let (ended, time) = qemu::run_guest(&qemu, &line, folder.path(), patience)?;
    if !ended {
        eprintln!(
            "the guest did not end within {} s: what it did until then is reported",
            args.timeout
        );
    }
    server.stop();
    let observed = observed::read(&records)?;
    let name = kernel
        .file_name()
        .unwrap_or(kernel.as_os_str())
        .to_string_lossy();
    Ok(Recording {
        schema_version: SCHEMA_VERSION,
        source: Source::Guest,
        environment: environment(args, qemu.version, profile),
        times: Times {
            started,
            guest_ms: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
        },
        plan: observed.plan(&format!("guest {name}")),
        restarts: Vec::new(),
        model: model(profile),
        max_store_block: profile.max_store_block,
        facts: observed.facts,
        setup: Vec::new(),
        outcomes: observed.outcomes,
        pieces: events::read(&server.events)?,
    })
}

fn guest_arguments(args: &Args, kernel: &Path, folder: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["-kernel".into(), kernel.into()];
    if let Some(initrd) = &args.initrd {
        arguments.extend(["-initrd".into(), initrd.clone().into_os_string()]);
    }
    let append = args
        .append
        .clone()
        .unwrap_or_else(|| "console=ttysclp0".into());
    arguments.extend(["-append".into(), append]);
    arguments.extend([
        "-serial".into(),
        option("file:", &folder.join("console.log")),
    ]);
    arguments
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

/// The instruction channel, if the function's instructions are to be forwarded.
fn forwarded<'a>(args: &Args, server: &'a Server) -> Option<&'a Path> {
    args.forward.as_ref().map(|_| server.channel.as_path())
}

fn environment(args: &Args, mut executor: String, profile: &Profile) -> Environment {
    if args.forward.is_some() {
        executor.push_str(" with the forwarding plugin");
    }
    if let Some(defect) = &args.defect {
        executor.push_str(&format!(" broken by {defect}"));
    }
    Environment {
        executor,
        host: host(),
        profile: profile.name.clone(),
        tool: concat!("vfio-user-ism ", env!("CARGO_PKG_VERSION")).into(),
    }
}

fn model(profile: &Profile) -> Model {
    if profile.relaxed {
        Model::Relaxed
    } else {
        Model::Strict
    }
}

fn find_qemu(args: &Args) -> Result<Qemu, Error> {
    let named = args.qemu.clone().or_else(|| {
        std::env::var_os("QEMU")
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    });
    let path = match named {
        Some(path) => path,
        None => {
            let cache = debian_fetch::Cache::locate().map_err(Error::NoQemu)?;
            debian_fetch::Qemu::find(debian_fetch::Machine::S390x, None, &cache)
                .map_err(Error::NoQemu)?
                .program
        }
    };
    Ok(Qemu::check(&path)?)
}

/// The name of a record of the probe: a step of the set-up, or a case.
fn name_of(record: u64, image: &Image, plan: &Plan) -> String {
    let Ok(record) = usize::try_from(record) else {
        return "unknown".into();
    };
    match (
        image.setup.get(record),
        record.checked_sub(image.setup.len()),
    ) {
        (Some(step), _) => format!("{step} of the set-up"),
        (None, Some(case)) => plan
            .cases
            .get(case)
            .map_or_else(|| "the end of the plan".into(), |case| case.id.clone()),
        (None, None) => "unknown".into(),
    }
}

fn check(results: &ProbeResults, name_of: &dyn Fn(u64) -> String) -> Result<(), Error> {
    let reason = match results.state {
        ProbeState::Done => return Ok(()),
        ProbeState::NoFunction => "the guest found no function 1014:04ed through CLP".into(),
        ProbeState::NotEnabled => "the guest could not enable the function through CLP".into(),
        ProbeState::Crashed { code, address } => format!(
            "the probe was interrupted by {} at {address:#x}, near {}",
            crate::expect::exception_name(code),
            name_of(results.progress)
        ),
        ProbeState::NotStarted | ProbeState::Started | ProbeState::Running => format!(
            "QEMU stopped the guest before its plan was done; the last instruction reached is {}",
            name_of(results.progress)
        ),
    };
    Err(Error::Probe(reason))
}

/// Operating system, architecture and byte order.
fn host() -> String {
    let system = rustix::system::uname();
    let order = if cfg!(target_endian = "big") {
        "big-endian"
    } else {
        "little-endian"
    };
    format!(
        "{} {}, {order}",
        system.sysname().to_string_lossy(),
        system.machine().to_string_lossy()
    )
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    std::fs::write(path, bytes).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

/// Where the files of a run lie: a named folder that stays, or one that goes.
enum Folder {
    Kept(PathBuf),
    Passing(tempfile::TempDir),
}

impl Folder {
    fn new(keep: Option<&Path>) -> Result<Self, Error> {
        let made = match keep {
            Some(path) => std::fs::create_dir_all(path)
                .and_then(|()| path.canonicalize())
                .map(Self::Kept),
            None => tempfile::Builder::new()
                .prefix("intercept-")
                .tempdir()
                .map(Self::Passing),
        };
        made.map_err(|source| Error::File {
            path: keep.map_or_else(std::env::temp_dir, Path::to_owned),
            source,
        })
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Passing(folder) => folder.path(),
        }
    }
}
