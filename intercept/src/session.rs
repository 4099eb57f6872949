//! One run: server and QEMU started, the guest's results and the device's events put into a recording.

use crate::args::Args;
use crate::error::Error;
use crate::events;
use crate::expect::Model;
use crate::observed;
use crate::plan::{Instruction, Plan};
use crate::plugin::{Plugin, option};
use crate::probe::{FunctionFacts, Image, Outcome, ProbeResults, ProbeState};
use crate::profile::Profile;
use crate::qemu::{self, CommandLine, Control, GuestError, GuestMemory, ProbeEnd, Qemu};
use crate::recording::{
    Environment, Piece, Place, Recording, SCHEMA_VERSION, SetupOutcome, Source, Start, Stop, Times,
};
use crate::server::Server;
use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Vendor and device of an ISM function.
const ISM: (u16, u16) = (0x1014, 0x04ed);

/// Memory of a guest other than the probe.
const GUEST_MEMORY: u64 = 512 << 20;

/// Most times that QEMU is started for one plan.
const STARTS: usize = 64;

/// Most crashes of one plan that gdb is asked about.
const BACKTRACES: usize = 4;

/// Executes `plan` under the QEMU that `args` names; `program` is the server's own executable. If QEMU crashes or hangs at
/// an instruction, it is started again behind that instruction.
///
/// # Errors
/// See [`Error`].
pub fn record(
    args: &Args,
    program: &Path,
    plan: Plan,
    profile: &Profile,
) -> Result<Recording, Error> {
    let plugin = match args.forward {
        Some(_) => Some(Plugin::find(args, program)?),
        None => None,
    };
    let qemu = find_qemu(args)?;
    let folder = Folder::new(args.keep.as_deref())?;
    let session = Session {
        args,
        program,
        plan: &plan,
        plugin,
        qemu,
        folder: folder.path(),
    };
    let started = now();
    let all = session.run()?;
    let executor = session.qemu.version;
    Ok(Recording {
        schema_version: SCHEMA_VERSION,
        source: Source::Probe,
        environment: environment(args, executor, profile),
        times: Times {
            started,
            guest_ms: u64::try_from(all.time.as_millis()).unwrap_or(u64::MAX),
        },
        plan,
        model: model(profile),
        max_store_block: profile.max_store_block,
        facts: all.facts,
        setup: all.setup,
        outcomes: all.outcomes,
        starts: all.starts,
        pieces: all.pieces,
    })
}

/// The plugin's own list of its deliberate defects. Only QEMU can load the plugin and ask it.
///
/// # Errors
/// See [`Error`].
pub fn defects(args: &Args, program: &Path) -> Result<String, Error> {
    let plugin = Plugin::find(args, program)?;
    let qemu = find_qemu(args)?;
    let output = std::process::Command::new(&qemu.path)
        .args(plugin.arguments(None, None, Some("list")))
        .output()
        .map_err(|source| Error::File {
            path: qemu.path.clone(),
            source,
        })?;
    let said = String::from_utf8_lossy(&output.stderr);
    let mut list = String::new();
    // QEMU's own last words are that it could not load the plugin.
    for line in said.lines().filter(|line| !line.starts_with("qemu-")) {
        list.push_str(line.trim_start_matches("vfio-user-ism-plugin: "));
        list.push('\n');
    }
    Ok(list)
}

/// What all starts of one plan share.
struct Session<'a> {
    args: &'a Args,
    program: &'a Path,
    plan: &'a Plan,
    plugin: Option<Plugin>,
    qemu: Qemu,
    folder: &'a Path,
}

/// What all starts gave.
#[derive(Default)]
struct All {
    time: Duration,
    facts: FunctionFacts,
    setup: Vec<SetupOutcome>,
    outcomes: Vec<Outcome>,
    starts: Vec<Start>,
    pieces: Vec<Piece>,
}

/// What one start gave.
struct One {
    results: ProbeResults,
    setup: Vec<String>,
    pieces: Vec<Piece>,
    time: Duration,
    end: ProbeEnd,
}

impl Session<'_> {
    fn run(&self) -> Result<All, Error> {
        let count = self.plan.cases.len();
        let mut all = All::default();
        let mut begin = 0;
        for number in 1..=STARTS {
            let folder = match number {
                1 => self.folder.to_owned(),
                _ => self.folder.join(format!("start-{number}")),
            };
            let one = self.start(&folder, begin)?;
            let stopped = self.stopped(&one)?;
            if number == 1 {
                all.facts = one.results.facts.clone();
                all.setup = setup_outcomes(&one);
            }
            all.time += one.time;
            let end = match &stopped {
                Some((Place::Case(index), _)) => index + 1,
                Some((Place::Setup(_), _)) => begin,
                None => count,
            };
            all.outcomes
                .extend(one.results.cases.get(begin..end).unwrap_or_default());
            let pieces = one.pieces.len();
            all.pieces.extend(one.pieces);
            let stopped = stopped.map(|(place, stop)| {
                eprintln!("{}", describe(self.plan, &place, &stop));
                let stop = self.look_closer(&all.starts, begin, &place, stop);
                (place, stop)
            });
            // Nothing comes behind a set-up that does not end.
            let over = !matches!(stopped, Some((Place::Case(_), _))) || end == count;
            all.starts.push(Start {
                begin,
                pieces,
                stopped,
            });
            if over {
                break;
            }
            begin = end;
        }
        all.outcomes.resize(count, Outcome::default());
        self.tidy(&mut all);
        Ok(all)
    }

    /// Brings what was recorded into the form that does not depend on how often QEMU was started.
    fn tidy(&self, all: &mut All) {
        for (outcome, case) in all.outcomes.iter_mut().zip(&self.plan.cases) {
            // Other instructions leave in that register what they were given.
            if case.instruction != Instruction::Pcilg || !outcome.succeeded() {
                outcome.loaded = 0;
            }
        }
        for start in &all.starts {
            if let Some((Place::Case(index), _)) = start.stopped
                && let Some(outcome) = all.outcomes.get_mut(index)
            {
                outcome.executed = true;
            }
        }
        if let [start] = all.starts.as_slice()
            && start.stopped.is_none()
        {
            all.starts.clear();
        }
    }

    /// Runs the plan from case `begin` in a fresh server and QEMU, which keep their files in `folder`.
    fn start(&self, folder: &Path, begin: usize) -> Result<One, Error> {
        let memory = GuestMemory::new(Image::MEMORY).map_err(GuestError::Memory)?;
        let count = self.plan.cases.len();
        let (image, mut server, line) =
            self.prepare(folder, begin..count, Control::Monitor, &memory)?;
        let patience = Duration::from_secs(self.args.timeout);
        let run = qemu::run_probe(&self.qemu, &line, folder, &memory, patience);
        if self.args.keep.is_some() {
            let dump = memory.dump().map_err(GuestError::Memory)?;
            write(&folder.join("memory.dump"), &dump)?;
        }
        let run = run?;
        server.stop();
        Ok(One {
            results: ProbeResults::read(&run.dump, image.setup.len(), count)?,
            setup: image.setup,
            pieces: events::read(&server.events)?,
            time: run.time,
            end: run.end,
        })
    }

    fn prepare(
        &self,
        folder: &Path,
        range: Range<usize>,
        control: Control,
        memory: &GuestMemory,
    ) -> Result<(Image, Server, CommandLine), Error> {
        std::fs::create_dir_all(folder).map_err(|source| Error::File {
            path: folder.to_owned(),
            source,
        })?;
        let cases = self.plan.cases.get(..range.end).unwrap_or_default();
        let plan = Plan {
            cases: cases.to_vec(),
            ..self.plan.clone()
        };
        let image = Image::of_plan(&plan, Some(ISM), range.start)?;
        let kernel = folder.join("probe.elf");
        write(&kernel, &image.elf)?;
        let server = Server::start(self.program, self.args.profile.as_deref(), folder)?;
        let mut guest = vec!["-kernel".into(), kernel.into_os_string()];
        if let Some(plugin) = &self.plugin {
            let defect = self.args.defect.as_deref();
            guest.extend(plugin.arguments(None, forwarded(self.args, &server), defect));
        }
        let line = CommandLine {
            socket: server.socket.clone(),
            memory: memory.length(),
            memory_file: Some(memory.path()),
            control,
            guest,
            extra: self.args.qemu_arg.clone(),
        };
        Ok((image, server, line))
    }

    /// Where and how QEMU stopped, if it stopped while records ran.
    fn stopped(&self, one: &One) -> Result<Option<(Place, Stop)>, Error> {
        let place = || {
            let record = usize::try_from(one.results.progress).unwrap_or(usize::MAX);
            match one.setup.get(record) {
                Some(step) => Place::Setup(step.clone()),
                None => Place::Case(record - one.setup.len()),
            }
        };
        match (&one.end, one.results.state) {
            (ProbeEnd::Stopped(stop), ProbeState::Running) => {
                // All cases ran, and QEMU stopped at the last fence.
                let last = self.plan.cases.len().saturating_sub(1);
                Ok(Some(match place() {
                    Place::Case(index) => (Place::Case(index.min(last)), stop.clone()),
                    step @ Place::Setup(_) => (step, stop.clone()),
                }))
            }
            (ProbeEnd::Stopped(stop), ProbeState::Started | ProbeState::NotStarted) => {
                Ok(Some((Place::Setup("CLP".into()), stop.clone())))
            }
            // QEMU was slow to end, or ended in a way of its own, after the guest had.
            _ => check(&one.results, &|record| {
                name_of(record, &one.setup, self.plan)
            })
            .map(|()| None),
        }
    }

    /// Adds a backtrace to a crash, if there is a debugger.
    fn look_closer(&self, before: &[Start], begin: usize, place: &Place, stop: Stop) -> Stop {
        let crashed = |start: &&Start| matches!(start.stopped, Some((_, Stop::Crashed { .. })));
        let Stop::Crashed {
            signal: Some(signal),
            exit_code,
            words,
            ..
        } = stop
        else {
            return stop;
        };
        let mut backtrace = Vec::new();
        if let Some(gdb) = qemu::debugger()
            && before.iter().filter(crashed).count() < BACKTRACES
        {
            let last = match place {
                Place::Case(index) => *index,
                Place::Setup(_) => begin,
            };
            // The instruction alone, then with all that led to it.
            backtrace = [last..last + 1, begin..last + 1]
                .into_iter()
                .map(|range| self.debug(&gdb, range))
                .find(|frames| !frames.is_empty())
                .unwrap_or_default();
        }
        Stop::Crashed {
            signal: Some(signal),
            exit_code,
            words,
            backtrace,
        }
    }

    fn debug(&self, gdb: &Path, range: Range<usize>) -> Vec<String> {
        let folder = self.folder.join("gdb");
        let Ok(memory) = GuestMemory::new(Image::MEMORY) else {
            return Vec::new();
        };
        let Ok((_, _server, line)) = self.prepare(&folder, range, Control::Alone, &memory) else {
            return Vec::new();
        };
        qemu::backtrace(gdb, &self.qemu, &line, &folder, DEBUGGING)
    }
}

/// How long gdb may take for one crash; it reads QEMU's symbols first.
const DEBUGGING: Duration = Duration::from_secs(30);

fn setup_outcomes(one: &One) -> Vec<SetupOutcome> {
    one.setup
        .iter()
        .zip(&one.results.setup)
        .map(|(name, outcome)| SetupOutcome {
            name: name.clone(),
            outcome: *outcome,
        })
        .collect()
}

/// For the terminal, while the run goes on.
fn describe(plan: &Plan, place: &Place, stop: &Stop) -> String {
    let name = match place {
        Place::Setup(step) => format!("{step}, a step of the set-up"),
        Place::Case(index) => plan
            .cases
            .get(*index)
            .map_or_else(String::new, |case| case.id.clone()),
    };
    match stop {
        Stop::Crashed { .. } => format!("QEMU crashed at {name}"),
        Stop::Hung { .. } => format!("the guest hangs at {name}"),
    }
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
        memory_file: None,
        control: Control::Monitor,
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
        model: model(profile),
        max_store_block: profile.max_store_block,
        facts: observed.facts,
        setup: Vec::new(),
        outcomes: observed.outcomes,
        starts: Vec::new(),
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
fn name_of(record: u64, setup: &[String], plan: &Plan) -> String {
    let Ok(record) = usize::try_from(record) else {
        return "unknown".into();
    };
    match (setup.get(record), record.checked_sub(setup.len())) {
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
