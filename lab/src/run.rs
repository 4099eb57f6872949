//! Carries out the subcommand `lab`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

use crate::agent::{SLOTS, Sink};
use crate::args::{Args, Beside, Format};
use crate::bench::{Compared, Figures, Needs};
use crate::error::Error;
use crate::folder::Folder;
use crate::guest::Guest;
use crate::lab::Lab;
use crate::say::say;
use crate::setup::Setup;
use crate::variant::Variant;
use crate::{bench, json, scenario, terminal};

/// Exit status of a lab that a signal ended: this number plus the signal's number, as in shells.
const SIGNALLED: u8 = 128;
/// The number of SIGHUP.
const HANGUP: u8 = 1;
/// Exit status of a lab whose command succeeded, but whose checks failed.
const CHECK_FAILED: u8 = 4;

/// Carries out the subcommand. Returns the exit status: the command's own, 128 plus the number of a signal,
/// or 0. `program` is the executable whose `serve` is the server.
///
/// # Errors
/// See [`Error`].
pub fn run(args: &Args, program: &Path) -> Result<u8, Error> {
    if let Some(socket) = &args.echo {
        let echoed = bench::serve_echo(socket).map_err(Error::file("connect to", socket));
        return echoed.map(|()| 0);
    }
    if args.list_scenarios {
        return show(&scenario::list(args.format)?);
    }
    if args.scenario_schema {
        return show(&format!("{:#}\n", scenario::schema()));
    }
    check(args)?;
    let scenarios = scenario::check(&args.scenario, args.junit.as_deref())?;
    harness::keep_with(program);
    let folder = Folder::new(args.keep.as_deref())?;
    let setup = Setup::prepare(args, program, &folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Error::system("start the runtime"))?;
    if scenarios.is_empty() && args.shake.is_none() {
        return runtime.block_on(until_signalled(args, &setup, &folder));
    }
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        tokio::select! {
            status = scenario::run(&scenarios, args, &setup, &folder) => status,
            number = signals.any() => {
                say(format_args!("signal {number}: ending"));
                Ok(SIGNALLED + number)
            }
        }
    })
}

fn check(args: &Args) -> Result<(), Error> {
    if let Some(text) = args.missing_guest() {
        return Err(Error::Usage(text));
    }
    check_beside(&args.beside)?;
    if let Some(path) = &args.report {
        check_report(path)?;
    }
    let scenario = !args.scenario.is_empty() || args.shake.is_some();
    let given = args.run.is_some() || args.bench || scenario;
    if args.repeat > 1 && args.scenario.is_empty() {
        let text = "--repeat: expected --scenario with it";
        return Err(Error::Usage(text.to_owned()));
    }
    if args.junit.is_some() && !scenario {
        let text = "--junit: expected --scenario or --shake with it";
        return Err(Error::Usage(text.to_owned()));
    }
    if args.format != Format::Table && !args.bench && !scenario {
        return Err(Error::Usage(
            "--format: expected --bench, --scenario or --list-scenarios with it".to_owned(),
        ));
    }
    if !given && !terminal::present() {
        return Err(Error::Usage(
            "standard input is no terminal, so there is no console: expected --run CMD, --bench or --scenario".to_owned(),
        ));
    }
    Ok(())
}

/// Checks that each guest has a slot left for the lab's own commands, which would else wait for ever.
fn check_beside(commands: &[Beside]) -> Result<(), Error> {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for beside in commands {
        *counts.entry(beside.guest).or_default() += 1;
    }
    match counts.into_iter().find(|(_, count)| *count >= SLOTS) {
        Some((guest, count)) => Err(Error::Usage(format!(
            "--beside: {count} commands in guest {guest}, expected {} at most",
            SLOTS - 1
        ))),
        None => Ok(()),
    }
}

/// Checks the path of `--report`. The lab removes an old report there, and must remove nothing else, such as a
/// device or a pipe.
fn check_report(path: &Path) -> Result<(), Error> {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(Error::Usage(format!(
            "--report {}: this is no regular file",
            path.display()
        ))),
        // If the path cannot be used, the lab's start gives the reason.
        _ => Ok(()),
    }
}

/// The signals that end the lab.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// None if the lab was started with SIGHUP ignored, as `nohup` does. Then it goes on after a hang-up.
    hangup: Option<Signal>,
}

impl Signals {
    fn new() -> Result<Self, Error> {
        let listen = |kind| signal(kind).map_err(Error::system("handle signals"));
        // Whoever listens for a signal ignores it no more. So this is read first. Without the file, the lab listens.
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let hangup = (!is_ignored(HANGUP, &status)).then(|| listen(SignalKind::hangup()));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: hangup.transpose()?,
        })
    }

    /// Waits for one of the signals. Returns its number.
    async fn any(&mut self) -> u8 {
        let hung_up = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
            _ = hung_up => HANGUP,
        }
    }
}

/// Whether a process ignores the signal with this number. `status` is its file `/proc/PID/status`.
fn is_ignored(number: u8, status: &str) -> bool {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The lowest bit stands for signal 1.
    mask.is_some_and(|mask| (mask >> (number - 1)) & 1 == 1)
}

async fn until_signalled(args: &Args, setup: &Setup, folder: &Folder) -> Result<u8, Error> {
    let mut signals = Signals::new()?;
    let mut lab = tokio::select! {
        lab = Lab::start(setup, folder) => lab?,
        number = signals.any() => return Ok(SIGNALLED + number),
    };
    let result = tokio::select! {
        result = work(args, setup, folder, &lab) => result,
        number = signals.any() => {
            say(format_args!("signal {number}: ending"));
            Ok(SIGNALLED + number)
        }
    };
    let guests = lab.guests().len();
    let (report, splats) = end(&mut lab).await;
    let status = result?;
    let report = report?;
    let failed = [
        args.fail_on_splat && splats > 0,
        args.require_ism && tell_idle_guests(&report, guests, setup.functions_per_guest) > 0,
    ];
    Ok(match status {
        0 if failed.contains(&true) => CHECK_FAILED,
        status => status,
    })
}

/// Ends a lab, and prints the faults that its guests' kernels reported and the rules that were broken. Returns the
/// server's totals, and the number of the faults.
async fn end(lab: &mut Lab) -> (Result<Value, Error>, usize) {
    let guests = lab.guests().to_vec();
    let report = lab.stop().await;
    let splats = tell_splats(&guests);
    (report.inspect(tell_rules), splats)
}

/// Prints the faults that the guests' kernels reported. Returns their number.
fn tell_splats(guests: &[Arc<Guest>]) -> usize {
    let mut count = 0;
    for guest in guests {
        for line in guest.splats() {
            say(format_args!("guest {}: kernel splat: {line}", guest.number));
            count += 1;
        }
    }
    count
}

/// Prints the guests whose functions moved no byte. Returns their number. Each guest has `per_guest`
/// functions.
fn tell_idle_guests(report: &Value, guests: usize, per_guest: usize) -> usize {
    let functions = report["functions"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let idle = functions.chunks(per_guest.max(1)).take(guests).enumerate();
    let idle = idle.filter(|(_, functions)| {
        functions.iter().all(|function| {
            let count = |key: &str| function[key].as_u64().unwrap_or_default();
            // A guest that only receives has interrupts. A guest that only sends has moves.
            count("moves") == 0 && count("interrupts") == 0
        })
    });
    idle.inspect(|(number, _)| {
        say(format_args!(
            "guest {number}: no byte went through its ISM function (0 moves, 0 interrupts)"
        ));
    })
    .count()
}

async fn work(args: &Args, setup: &Setup, folder: &Folder, lab: &Lab) -> Result<u8, Error> {
    lab.ready(setup.patience).await?;
    let bound = lab.bound().await;
    if args.run.is_none() && !args.bench {
        // The user can look for the reason at the console.
        if let Err(error) = bound {
            say(format_args!("{error}"));
        }
    } else {
        bound?;
    }
    say(format_args!("ready"));
    // These tasks end with this function.
    let mut beside = JoinSet::new();
    for guest in lab.guests() {
        beside.spawn(tell_end(Arc::clone(guest)));
    }
    for wanted in &args.beside {
        if let Some(guest) = lab.guest(wanted.guest) {
            beside.spawn(run_beside(Arc::clone(guest), wanted.command.clone()));
        }
    }
    let done = tokio::select! {
        done = main_work(args, setup, folder, lab) => done?,
        error = lab.server_ended() => return Err(error),
    };
    if args.run.is_some() || args.bench {
        lab.hear_out().await;
    }
    Ok(done)
}

async fn main_work(args: &Args, setup: &Setup, folder: &Folder, lab: &Lab) -> Result<u8, Error> {
    let guests = lab.guests();
    if args.bench {
        let needs = Needs {
            program: &setup.program,
            socket: folder.passing("echo.sock"),
            bytes: args.transfer << 20,
        };
        // This comes first, because plain TCP has stopped the first lab's network for good
        // (docs/performance.md).
        let (compared, splats) = match setup.compared.as_slice() {
            [] => (Vec::new(), 0),
            others => compare(lab, others, folder, &needs).await?,
        };
        let mut figures = bench::measure(lab, &needs).await?;
        figures.compared = compared;
        let failed = args.fail_on_splat && splats > 0;
        return Ok(match print(&figures, args.format)? {
            0 if failed => CHECK_FAILED,
            status => status,
        });
    }
    let Some(command) = &args.run else {
        terminal::attach(guests, args.console).await?;
        return Ok(0);
    };
    let Some(guest) = guests.get(args.on) else {
        return Err(Error::Usage(format!("there is no guest {}", args.on)));
    };
    let (stdout, stderr) = (Pass(std::io::stdout()), Pass(std::io::stderr()));
    guest.run_to(command, stdout, stderr).await
}

/// Measures SMC-D in `lab` and in similar labs, in turns. Returns, with the figures, the number of faults that the
/// kernels of the other labs reported.
async fn compare(
    lab: &Lab,
    others: &[(Variant, Setup)],
    folder: &Folder,
    needs: &Needs<'_>,
) -> Result<(Vec<Compared>, usize), Error> {
    let folders = (1..=others.len()).map(|number| folder.part(&format!("compared{number}")));
    let folders: Vec<_> = folders.collect::<Result<_, _>>()?;
    let mut labs = Vec::new();
    let measured = async {
        for ((variant, setup), folder) in others.iter().zip(&folders) {
            say(format_args!("bench: starting guests for {variant}"));
            labs.push(Lab::start(setup, folder).await?);
        }
        for (lab, (_, setup)) in labs.iter().zip(others) {
            lab.ready(setup.patience).await?;
            lab.bound().await?;
        }
        bench::compare(lab, &labs, needs).await
    };
    let measured = measured.await;
    let (mut ended, mut splats) = (Ok(()), 0);
    for (lab, (variant, _)) in labs.iter_mut().zip(others) {
        say(format_args!("bench: ending guests for {variant}"));
        let (report, found) = end(lab).await;
        ended = ended.and(report.map(drop));
        splats += found;
    }
    // The first error is the one to report.
    let told = others.iter().zip(measured?);
    ended?;
    let compared = told.map(|((variant, setup), rows)| Compared {
        variant: variant.to_string(),
        qemu: setup.recipe.qemu.display().to_string(),
        plugin: setup.plugin.is_some(),
        rows,
    });
    Ok((compared.collect(), splats))
}

fn print(figures: &Figures, format: Format) -> Result<u8, Error> {
    let text = match format {
        Format::Table => figures.to_table(),
        Format::Json => json::text("write the figures as JSON", figures)?,
    };
    show(&text)
}

fn show(text: &str) -> Result<u8, Error> {
    let shown = harness::print(text).map(|()| 0);
    shown.map_err(Error::system("write to standard output"))
}

async fn tell_end(guest: Arc<Guest>) {
    let how = guest.ended().await;
    say(format_args!("guest {}: {how}", guest.number));
}

async fn run_beside(guest: Arc<Guest>, command: String) {
    let number = guest.number;
    let (stdout, stderr) = (Lines::new(number), Lines::new(number));
    // Another message reports the guest's end.
    if let Ok(status) = guest.run_to(&command, stdout, stderr).await {
        say(format_args!(
            "guest {number}: {command:?} ended with status {status}"
        ));
    }
}

/// Passes on output as it comes.
struct Pass<W>(W);

impl<W: Write> Sink for Pass<W> {
    fn take(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.flush()
    }
}

/// Passes on output to stderr, line by line, with the guest's number.
struct Lines {
    guest: usize,
    held: Vec<u8>,
}

impl Lines {
    fn new(guest: usize) -> Self {
        Self {
            guest,
            held: Vec::new(),
        }
    }

    fn tell(&mut self, line: &[u8]) {
        say(format_args!(
            "guest {}: {}",
            self.guest,
            String::from_utf8_lossy(line)
        ));
    }
}

impl Sink for Lines {
    fn take(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.held.extend_from_slice(bytes);
        while let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.held.drain(..=end).collect();
            self.tell(line.get(..end).unwrap_or_default());
        }
        Ok(())
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let rest = std::mem::take(&mut self.held);
        if !rest.is_empty() {
            self.tell(&rest);
        }
    }
}

/// Prints the rules that the guests broke.
fn tell_rules(report: &Value) {
    let functions = report["functions"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    for function in functions {
        let name = function["name"].as_str().unwrap_or_default();
        let rules = function["rules"].as_array().map_or(&[][..], Vec::as_slice);
        for rule in rules {
            let text = |key: &str| rule[key].as_str().unwrap_or_default().to_owned();
            say(format_args!(
                "{name}: rule {} ({}), times broken: {}",
                text("rule"),
                text("severity"),
                rule["violations"]
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{HANGUP, check, is_ignored};
    use crate::args::Args;
    use clap::{Args as _, FromArgMatches};

    /// Returns the error that these arguments cause.
    #[track_caller]
    fn wrong(words: &[&str]) -> Option<String> {
        let command = Args::augment_args(clap::Command::new("lab"));
        let words = ["lab", "--run", "true"].iter().chain(words);
        let found = command.try_get_matches_from(words).unwrap();
        let checked = check(&Args::from_arg_matches(&found).unwrap());
        checked.err().map(|error| {
            assert!(error.is_usage(), "{error}");
            error.to_string()
        })
    }

    #[test]
    fn a_guest_has_a_slot_left_for_other_commands() {
        let beside = |guests: &[&str]| {
            let words = guests.iter().flat_map(|guest| ["--beside", guest]);
            wrong(&words.chain(["--guests", "2"]).collect::<Vec<_>>())
        };
        let three = ["1:a", "1:a", "1:b"];
        assert_eq!(beside(&three), None);
        assert_eq!(beside(&[&three[..], &["0:a"]].concat()), None);
        let why = beside(&[&three[..], &["0:a", "1:c"]].concat()).unwrap();
        assert_eq!(why, "--beside: 4 commands in guest 1, expected 3 at most");
    }

    #[test]
    fn an_ignored_signal_is_known_by_its_bit() {
        let status =
            |mask: &str| format!("SigBlk:\t0000000000000001\nSigIgn:\t{mask}\nSigCgt:\t1\n");
        assert!(is_ignored(HANGUP, &status("0000000000001001")));
        assert!(!is_ignored(HANGUP, &status("0000000000001000")));
        assert!(!is_ignored(HANGUP, &status("")));
        assert!(is_ignored(13, &status("0000000000001000")));
        assert!(!is_ignored(HANGUP, ""));
    }

    #[test]
    fn what_nohup_starts_ignores_a_hang_up() {
        let said = std::process::Command::new("sh")
            .args(["-c", "trap '' HUP; exec grep SigIgn: /proc/self/status"])
            .output()
            .unwrap();
        let status = String::from_utf8(said.stdout).unwrap();
        assert!(is_ignored(HANGUP, &status), "{status}");
    }

    #[test]
    fn a_report_replaces_nothing_but_a_file() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let report = |name: &str| wrong(&["--report", path(name).to_str().unwrap()]);
        let pipe = (path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR);
        mknodat(CWD, &pipe.0, pipe.1, pipe.2, 0).unwrap();
        std::os::unix::fs::symlink("pipe", path("link")).unwrap();
        std::fs::write(path("old"), "{}").unwrap();
        for name in ["pipe", "link", "."] {
            let why = report(name).unwrap();
            let part = format!("--report {}: this is no regular file", path(name).display());
            assert_eq!(why, part);
            assert!(path(name).exists(), "{name}");
        }
        for name in ["old", "new", "no-such-folder/new"] {
            assert_eq!(report(name), None, "{name}");
        }
    }
}
