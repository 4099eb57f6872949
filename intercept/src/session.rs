//! Records one run of the probe or of another guest: the guest's results and the device's events.

use crate::args::Args;
use crate::error::Error;
use crate::events;
use crate::expect::Model;
use crate::forwarding::{find_plugin, plugin_task};
use crate::lengths;
use crate::observed;
use crate::plan::Plan;
use crate::probe::FunctionFacts;
use crate::profile::Profile;
use crate::qemu::{self, CommandLine, Control};
use crate::recording::{Binary, Environment, Recording, SCHEMA_VERSION, Source, Times};
use crate::server::Server;
use crate::starts::{Setting, Starts};
use crate::verdict;
use harness::{Accelerator, Plugin, option};
use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Memory of a guest other than the probe.
const GUEST_MEMORY: u64 = 512 << 20;

/// Most starts of QEMU for one plan.
const STARTS: usize = 64;

/// Executes `plan`. If QEMU crashes or hangs at an instruction, starts it again after that instruction. If
/// block stores of some lengths fail, makes a second run with all lengths.
///
/// # Errors
/// See [`Error`].
pub(crate) fn record(setting: &Setting<'_>, plan: Plan) -> Result<Recording, Error> {
    let plugin = match setting.args.forward {
        Some(_) => Some(find_plugin(setting.args, setting.program)?),
        None => None,
    };
    let mut recording = run_plan(setting, plugin.as_ref(), plan, setting.folder, STARTS)?;
    let verdicts = verdict::classify(&recording, recording.model)?;
    if !setting.args.quick && lengths::are_worth_a_run(&recording, &verdicts) {
        let plan = lengths::plan(recording.maxstbl);
        let folder = setting.folder.join("lengths");
        // The plan has been executed, so a failure of the second run does not matter.
        recording.lengths = run_plan(setting, plugin.as_ref(), plan, &folder, 1)
            .ok()
            .and_then(|second| lengths::classify(&second, second.model));
    }
    Ok(recording)
}

fn run_plan(
    setting: &Setting<'_>,
    plugin: Option<&Plugin>,
    plan: Plan,
    folder: &Path,
    starts: usize,
) -> Result<Recording, Error> {
    let session = Starts {
        setting,
        plan: &plan,
        plugin,
        folder,
    };
    let started = now();
    let all = session.run(starts)?;
    Ok(Recording {
        source: Source::Probe,
        times: Times {
            cases_us: all.cases_us,
            ..times(started, all.time)
        },
        facts: all.facts,
        setup: all.setup,
        outcomes: all.outcomes,
        starts: all.starts,
        last_fences_failed: all.last_fences_failed,
        pieces: all.pieces,
        ..blank(setting, plan, all.binary)
    })
}

/// Runs the guest from the command line with the observing plugin, and records its instructions.
///
/// # Errors
/// See [`Error`].
pub(crate) fn observe(setting: &Setting<'_>, kernel: &Path) -> Result<Recording, Error> {
    let (args, folder) = (setting.args, setting.folder);
    let plugin = find_plugin(args, setting.program)?;
    let records = folder.join("records.jsonl");
    let started = now();
    let server = Server::start(setting.program, args.profile.as_deref(), folder)?;
    let mut guest = guest_arguments(args, kernel, folder);
    let task = plugin_task(args, std::slice::from_ref(&server), Some(&records));
    guest.extend(["-plugin".into(), plugin.argument(&task)]);
    let line = CommandLine {
        sockets: vec![server.socket().to_owned()],
        memory: GUEST_MEMORY,
        memory_file: None,
        accelerator: setting.accelerator,
        control: Control::Monitor,
        guest,
        extra: args.qemu_arg.clone(),
    };
    let patience = Duration::from_secs(args.timeout);
    let run = qemu::run_guest(setting.qemu, &line, folder, patience)?;
    if !run.ended {
        eprintln!(
            "the guest did not end within {} s: the report covers the time until then",
            args.timeout
        );
    }
    server.stop();
    let observed = observed::read(&records).map_err(Error::Records)?;
    let name = kernel
        .file_name()
        .unwrap_or(kernel.as_os_str())
        .to_string_lossy();
    let plan = observed.plan(&format!("guest {name}"));
    Ok(Recording {
        source: Source::Guest,
        times: times(started, run.time),
        facts: observed.facts,
        outcomes: observed.outcomes,
        pieces: events::read(&server.events, 0).map_err(Error::Records)?,
        ..blank(setting, plan, run.binary)
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

fn times(started: u64, guest: Duration) -> Times {
    Times {
        started,
        guest_ms: u64::try_from(guest.as_millis()).unwrap_or(u64::MAX),
        cases_us: Vec::new(),
    }
}

/// A recording of a run that has not started.
fn blank(setting: &Setting<'_>, plan: Plan, binary: Option<Binary>) -> Recording {
    let announced = setting.profile.announced.clone();
    Recording {
        schema_version: SCHEMA_VERSION,
        source: Source::default(),
        environment: environment(setting, binary),
        times: Times::default(),
        plan,
        model: model(setting.profile),
        maxstbl: announced.maxstbl,
        announced,
        facts: FunctionFacts::default(),
        setup: Vec::new(),
        outcomes: Vec::new(),
        starts: Vec::new(),
        last_fences_failed: 0,
        pieces: Vec::new(),
        lengths: None,
    }
}

fn environment(setting: &Setting<'_>, binary: Option<Binary>) -> Environment {
    let mut executor = setting.qemu.version.clone();
    if setting.accelerator == Accelerator::Kvm {
        executor.push_str(" under KVM");
    }
    if setting.args.forward.is_some() {
        executor.push_str(" with the forwarding plugin");
    }
    if let Some(defect) = &setting.args.defect {
        executor.push_str(&format!(" broken by {defect}"));
    }
    Environment {
        executor,
        host: host(),
        profile: setting.profile.name.clone(),
        tool: concat!("vfio-user-ism ", env!("CARGO_PKG_VERSION")).into(),
        binary,
    }
}

fn model(profile: &Profile) -> Model {
    if profile.announced.relaxed {
        Model::Relaxed
    } else {
        Model::Strict
    }
}

/// Operating system, architecture and byte order of this host.
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
