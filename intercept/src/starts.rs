//! Starts QEMU for a plan, and again after each instruction at which it crashes or hangs.

use crate::args::Args;
use crate::attribute;
use crate::error::Error;
use crate::events;
use crate::expect::ISM;
use crate::forwarding::plugin_task;
use crate::plan::Plan;
use crate::probe::{Abilities, FunctionFacts, Image, Outcome, ProbeResults, ProbeState};
use crate::profile::Profile;
use crate::qemu::{self, CommandLine, Control, GuestError, GuestMemory, ProbeEnd, Qemu};
use crate::recording::{Binary, Piece, Place, SetupOutcome, Start, Stop};
use crate::server::Server;
use harness::{Accelerator, Plugin};
use std::ffi::OsString;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

/// Most crashes of one plan for gdb.
const BACKTRACES: usize = 8;

/// Longest time for gdb to examine one crash. It first reads QEMU's symbols.
const DEBUGGING: Duration = Duration::from_secs(30);

/// The inputs of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting<'a> {
    /// The command line.
    pub args: &'a Args,
    /// The executable whose `serve` subcommand is the server.
    pub program: &'a Path,
    /// The QEMU to test.
    pub qemu: &'a Qemu,
    /// The accelerator that QEMU uses.
    pub accelerator: Accelerator,
    pub profile: &'a Profile,
    /// The folder for files of the run.
    pub folder: &'a Path,
}

/// The inputs that all starts of one plan share.
pub(crate) struct Starts<'a> {
    pub setting: &'a Setting<'a>,
    pub plan: &'a Plan,
    pub plugin: Option<&'a Plugin>,
    pub folder: &'a Path,
}

/// The results of all starts.
#[derive(Default)]
pub(crate) struct All {
    pub time: Duration,
    pub binary: Option<Binary>,
    pub cases_us: Vec<u64>,
    pub facts: FunctionFacts,
    pub setup: Vec<SetupOutcome>,
    pub outcomes: Vec<Outcome>,
    pub last_fences_failed: u8,
    pub starts: Vec<Start>,
    pub pieces: Vec<Piece>,
}

/// The results of one start.
struct One {
    results: ProbeResults,
    setup: Vec<String>,
    pieces: Vec<Piece>,
    times: Vec<u64>,
    binary: Option<Binary>,
    time: Duration,
    end: ProbeEnd,
}

impl Starts<'_> {
    /// Starts QEMU at most `starts` times, each time after the instruction at which it stopped.
    ///
    /// # Errors
    /// See [`Error`].
    pub(crate) fn run(&self, starts: usize) -> Result<All, Error> {
        let count = self.plan.cases.len();
        let mut all = All::default();
        let mut begin = 0;
        for number in 1..=starts {
            let folder = match number {
                1 => self.folder.to_owned(),
                _ => self.folder.join(format!("start-{number}")),
            };
            let one = self.start(&folder, begin)?;
            let stopped = self.stopped(&one)?;
            if number == 1 {
                all.facts = one.results.facts.clone();
                all.setup = setup_outcomes(&one);
                all.binary = one.binary.clone();
            }
            all.time += one.time;
            let end = match &stopped {
                Some((Place::Case(index), _)) => index + 1,
                Some((Place::Setup(_), _)) => begin,
                None => count,
            };
            all.last_fences_failed = one.results.last_fences_failed;
            let outcomes = one.results.cases.get(begin..end).unwrap_or_default();
            all.outcomes.extend_from_slice(outcomes);
            all.cases_us.extend(case_times(self.plan, &one, begin..end));
            let pieces = one.pieces.len();
            all.pieces.extend(one.pieces);
            let stopped = stopped.map(|(place, stop)| {
                eprintln!("{}", describe(self.plan, &place, &stop));
                let stop = self.look_closer(&all.starts, begin, &place, stop);
                (place, stop)
            });
            // If the set-up does not end, no further start helps.
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
        all.cases_us.resize(count, 0);
        self.tidy(&mut all);
        Ok(all)
    }

    /// Converts the results to a form that does not depend on the number of starts.
    fn tidy(&self, all: &mut All) {
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

    /// Runs the plan from case `begin` in a new server and QEMU. They keep their files in `folder`.
    fn start(&self, folder: &Path, begin: usize) -> Result<One, Error> {
        let memory = GuestMemory::new(Image::MEMORY).map_err(GuestError::Memory)?;
        let count = self.plan.cases.len();
        let (plan, image, servers, line) =
            self.prepare(folder, begin..count, Control::Monitor, &memory)?;
        let patience = Duration::from_secs(self.setting.args.timeout);
        let run = qemu::run_probe(self.setting.qemu, &line, folder, &memory, patience);
        if self.setting.args.keep.is_some() {
            let dump = memory.dump().map_err(GuestError::Memory)?;
            write(&folder.join("memory.dump"), &dump)?;
        }
        let run = run?;
        let mut pieces = Vec::new();
        let mut times = Vec::new();
        for (function, server) in (0..).zip(&servers) {
            server.stop();
            for (time, piece) in
                events::read_timed(&server.events, function).map_err(Error::Records)?
            {
                times.push(time);
                pieces.push(piece);
            }
        }
        Ok(One {
            results: ProbeResults::read(&run.dump, &image, &plan)?,
            setup: image.setup,
            pieces,
            times,
            binary: run.binary,
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
    ) -> Result<(Plan, Image, Vec<Server>, CommandLine), Error> {
        std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
        let cases = self.plan.cases.get(..range.end).unwrap_or_default();
        let plan = Plan {
            cases: cases.to_vec(),
            ..self.plan.clone()
        };
        let image = Image::of_plan(
            &plan,
            ISM,
            abilities(self.setting.args, self.setting.accelerator),
            range.start,
        )?;
        let kernel = folder.join("probe.elf");
        write(&kernel, &image.elf)?;
        let servers = self.servers(folder, plan.functions())?;
        let mut guest = vec!["-kernel".into(), kernel.into_os_string()];
        if let Some(plugin) = self.plugin {
            let task = plugin_task(self.setting.args, &servers, None);
            guest.extend(["-plugin".into(), plugin.argument(&task)]);
        }
        let line = CommandLine {
            sockets: servers
                .iter()
                .map(|server| server.socket().to_owned())
                .collect(),
            memory: memory.length(),
            memory_file: Some(memory.path()),
            accelerator: self.setting.accelerator,
            control,
            guest,
            extra: self.setting.args.qemu_arg.clone(),
        };
        Ok((plan, image, servers, line))
    }

    /// Starts a server for each function, so that the functions need no profile.
    fn servers(&self, folder: &Path, functions: usize) -> Result<Vec<Server>, Error> {
        let profile = self.setting.args.profile.as_deref();
        let mut servers = vec![Server::start(self.setting.program, profile, folder)?];
        for function in 1..functions {
            let folder = folder.join(format!("function-{function}"));
            std::fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
            servers.push(Server::start(self.setting.program, profile, &folder)?);
        }
        Ok(servers)
    }

    /// The place and the way in which QEMU stopped, if it stopped while it executed records.
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
                // QEMU stopped at the last fence, after all cases.
                let last = self.plan.cases.len().saturating_sub(1);
                Ok(Some(match place() {
                    Place::Case(index) => (Place::Case(index.min(last)), stop.clone()),
                    step @ Place::Setup(_) => (step, stop.clone()),
                }))
            }
            (ProbeEnd::Stopped(stop), ProbeState::Started | ProbeState::NotStarted) => {
                Ok(Some((Place::Setup("CLP".into()), stop.clone())))
            }
            // QEMU ended slowly or abnormally after the guest had ended.
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
        // A failed assertion already names its place.
        let named = words.iter().any(|line| line.contains("Assertion"));
        if let Some(gdb) = qemu::debugger()
            && !named
            && before.iter().filter(crashed).count() < BACKTRACES
        {
            let last = match place {
                Place::Case(index) => *index,
                Place::Setup(_) => begin,
            };
            // First the instruction alone, then with all earlier ones.
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
        let Ok((_, _, _servers, line)) = self.prepare(&folder, range, Control::Alone, &memory)
        else {
            return Vec::new();
        };
        qemu::backtrace(gdb, self.setting.qemu, &line, &folder, DEBUGGING)
    }
}

fn setup_outcomes(one: &One) -> Vec<SetupOutcome> {
    one.setup
        .iter()
        .zip(&one.results.setup)
        .map(|(name, outcome)| SetupOutcome {
            name: name.clone(),
            outcome: outcome.clone(),
        })
        .collect()
}

/// Describes a stop for the terminal during the run.
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

/// The abilities that decide which cases run. The software emulation of QEMU up to 11.1 aborts when a guest
/// enters access-register mode (QEMU `target/s390x/cpu.h`, `s390x_env_mmu_index`).
fn abilities(args: &Args, accelerator: Accelerator) -> Abilities {
    let kvm = |argument: &OsString| argument.to_string_lossy().contains("kvm");
    Abilities {
        unforwarded: args.forward.is_none(),
        access_registers: args.access_registers
            || accelerator == Accelerator::Kvm
            || args.qemu_arg.iter().any(kvm),
    }
}

/// The time of each case, from its fence to the next one. Cases between the same fences share the time
/// evenly.
fn case_times(plan: &Plan, one: &One, range: Range<usize>) -> Vec<u64> {
    let mut fences = one
        .pieces
        .iter()
        .zip(&one.times)
        .filter(|(piece, _)| piece.function == 0 && attribute::is_fence(piece))
        .map(|(_, time)| *time)
        .chain(one.times.last().copied());
    let mut times = vec![0; range.len()];
    let mut from = fences.next();
    for batch in plan.batches() {
        let cases = batch.start.max(range.start)..batch.end.min(range.end);
        let ran = |index: usize| {
            let outcome = one.results.cases.get(index);
            outcome.is_some_and(|outcome| outcome.executed && outcome.fences_failed & 1 == 0)
        };
        if cases.is_empty() || !ran(cases.start) {
            continue;
        }
        let to = fences.next();
        let spent = from.zip(to).map_or(0, |(from, to)| to.saturating_sub(from));
        from = to;
        let share = spent / cases.len() as u64;
        let slots = times.get_mut(cases.start - range.start..cases.end - range.start);
        for slot in slots.into_iter().flatten() {
            *slot = share;
        }
    }
    times
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

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    std::fs::write(path, bytes).map_err(Error::file(path))
}
