//! Runs test programs at the same time, while `cargo test` runs one after the other: many tests wait for
//! guests and timeouts instead of computing. `./test` calls it.
//!
//! ```text
//! run_tests [ARGUMENT...] [-- ARGUMENT...]
//! ```
//!
//! The arguments are those of `cargo test`. Each line of a test program appears at once, after the program's
//! name. At the end come the failures again, then a table of seconds and of seconds of processor time, then
//! the counts. The table begins with the earlier steps of `./test`, which becomes this program, so that the
//! processor time of its commands counts as that of this program's children. `$VFIO_USER_ISM_TEST_JOBS` sets
//! how many programs run at a time (default: as many as there are processors).

mod arguments;
mod build;
mod output;

use std::collections::VecDeque;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::retry_on_intr;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use arguments::Arguments;
use build::Program;
use output::{Counts, Outcome};

/// Interval at which a silent run prints what it waits for.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// A program that is split, because its modules have nothing in common.
const IN_PARTS: &str = "tests/builds";
/// Programs that take long. They start first, so that none of them runs alone at the end. Programs that wait
/// for guests stand between programs that compile.
const LONG: [&str; 12] = [
    "lab",
    "s390x",
    "builds container",
    "builds fuzz",
    "builds instrumented",
    "in_qemu",
    "qemu",
    "intercept",
    "runs",
    "hostile",
    "fabric",
    "fetch",
];

fn main() -> ExitCode {
    let arguments = Arguments::parse(std::env::args().skip(1));
    let mut programs = match build::programs(&arguments) {
        Ok(programs) => programs,
        Err(error) => {
            eprintln!("run_tests: {error}");
            return ExitCode::FAILURE;
        }
    };
    // A part of a test's name could also match tests in other modules.
    if arguments.filters.is_empty() {
        let parts = |program: Program| match program.name == IN_PARTS {
            true => build::by_module(program),
            false => vec![program],
        };
        programs = programs.into_iter().flat_map(parts).collect();
    }
    let rank = |program: &Program| LONG.iter().position(|name| program.name.ends_with(name));
    programs.sort_by_key(|program| rank(program).unwrap_or(LONG.len()));
    if arguments.wants_doc_tests() {
        programs.push(build::doc_tests(&arguments));
    }
    let before = [age(), processor_time(std::process::id())];
    let start = Instant::now();
    let outcomes = run_all(programs, &arguments, jobs());
    report(&outcomes, start.elapsed(), before)
}

/// Returns the time since this process began, even before it became this program (source: proc_pid_stat(5),
/// field 22, and proc_uptime(5)).
fn age() -> Duration {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let up = read("/proc/uptime");
    let up = up
        .split_whitespace()
        .next()
        .and_then(|text| text.parse().ok());
    let began: Option<f64> = stat_fields(&read("/proc/self/stat"), 19, 1).next();
    let age = up
        .zip(began)
        .map_or(0.0, |(up, began): (f64, f64)| up - began / 100.0);
    Duration::try_from_secs_f64(age).unwrap_or_default()
}

/// Runs all programs, at most `jobs` at a time.
fn run_all(programs: Vec<Program>, arguments: &Arguments, jobs: usize) -> Vec<Outcome> {
    let jobs = jobs.min(programs.len().max(1));
    let all = programs.len();
    eprintln!("== testing: {all} programs, {jobs} at a time");
    let queue = Mutex::new(VecDeque::from(programs));
    let running = Mutex::new(Vec::new());
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs {
            let sender = sender.clone();
            let (queue, running) = (&queue, &running);
            scope.spawn(move || {
                // A guard in the loop's condition would be held while the program runs.
                let next = || lock(queue).pop_front();
                while let Some(program) = next() {
                    let start = Instant::now();
                    lock(running).push((program.name.clone(), start));
                    let outcome = run(program, arguments);
                    lock(running).retain(|(name, _)| *name != outcome.name);
                    let _ = sender.send(outcome);
                }
            });
        }
        drop(sender);
        let mut outcomes = Vec::new();
        loop {
            match receiver.recv_timeout(HEARTBEAT) {
                Ok(outcome) => {
                    outcomes.push(outcome);
                    let last = &outcomes[outcomes.len() - 1];
                    let (done, name) = (outcomes.len(), &last.name);
                    let seconds = last.took.as_secs_f64();
                    eprintln!(
                        "== {done} of {all}: {name}, {}, {seconds:.1} s",
                        last.counts
                    );
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let waits = lock(&running)
                        .iter()
                        .map(|(name, start)| format!("{name} for {} s", start.elapsed().as_secs()))
                        .collect::<Vec<_>>();
                    eprintln!("== running: {}", waits.join(", "));
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break outcomes,
            }
        }
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn jobs() -> usize {
    let asked = std::env::var("VFIO_USER_ISM_TEST_JOBS").ok();
    let processors = thread::available_parallelism().map_or(1, usize::from);
    asked
        .and_then(|jobs| jobs.parse().ok())
        .unwrap_or(processors)
        .max(1)
}

/// Runs one program until it ends, and prints its lines.
fn run(program: Program, arguments: &Arguments) -> Outcome {
    let start = Instant::now();
    let Program {
        name,
        mut command,
        is_doc,
    } = program;
    if !is_doc {
        command.args(&arguments.filters).args(&arguments.for_tests);
    }
    let (lines, code, processor) = match stream(&name, command) {
        Ok(end) => end,
        Err(error) => (
            vec![format!("cannot be started: {error}")],
            None,
            Duration::ZERO,
        ),
    };
    Outcome::new(name, lines, code, [start.elapsed(), processor])
}

/// Starts a command and prints each of its lines after `name`. Returns the lines, the exit code, and the
/// processor time of the command and of the processes that it waited for.
fn stream(
    name: &str,
    mut command: Command,
) -> std::io::Result<(Vec<String>, Option<i32>, Duration)> {
    let (reader, writer) = std::io::pipe()?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let mut child = command.spawn()?;
    // The command holds writing ends of the pipe, which would keep the pipe open.
    drop(command);
    let lines = output::pass_on(name, reader);
    // The process is awaited first and not reaped, so that its times can still be read.
    if let Some(id) = Pid::from_raw(child.id().cast_signed()) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        retry_on_intr(|| waitid(WaitId::Pid(id), options))?;
    }
    let processor = processor_time(child.id());
    Ok((lines, child.wait()?.code(), processor))
}

/// Returns the processor time of a process and of those that it waited for (source: proc_pid_stat(5), fields
/// 14 to 17; a tick is 1/100 s on every machine that this project knows).
fn processor_time(id: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    Duration::from_millis(10 * stat_fields::<u64>(&stat, 11, 4).sum::<u64>())
}

/// Returns some fields of a process's line of numbers. The first one after its name is number 0.
fn stat_fields<T: std::str::FromStr>(
    stat: &str,
    first: usize,
    count: usize,
) -> impl Iterator<Item = T> {
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = behind_name.split_whitespace().skip(first).take(count);
    fields.filter_map(|field| field.parse().ok())
}

/// Prints failures and times again. The last line has the counts.
fn report(outcomes: &[Outcome], took: Duration, before: [Duration; 2]) -> ExitCode {
    for outcome in outcomes.iter().filter(|outcome| outcome.is_failure()) {
        println!("\n== failed: {}", outcome.name);
        for line in outcome.failures() {
            println!("{line}");
        }
    }
    for outcome in outcomes {
        for test in outcome.skipped() {
            println!("== skipped: {}, {test}", outcome.name);
        }
    }
    println!("\n   seconds  processor  program");
    let row = |[took, processor]: [Duration; 2], what: &str| {
        let (took, processor) = (took.as_secs_f64(), processor.as_secs_f64());
        println!("{took:>10.1} {processor:>10.1}  {what}");
    };
    row(before, "building and fetching");
    let mut sorted: Vec<_> = outcomes.iter().collect();
    sorted.sort_by_key(|outcome| std::cmp::Reverse(outcome.took));
    for outcome in sorted {
        let what = format!("{}: {}", outcome.name, outcome.counts);
        row([outcome.took, outcome.processor], &what);
    }
    let processor: Duration = outcomes.iter().map(|outcome| outcome.processor).sum();
    row([took, processor], "all tests, side by side");
    row([before[0] + took, before[1] + processor], "everything");
    let all: Counts = outcomes.iter().map(|outcome| outcome.counts).sum();
    println!("{all}");
    if outcomes.iter().any(Outcome::is_failure) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_run_side_by_side() {
        let folder = tempfile::tempdir().unwrap();
        let meeting = folder.path().join("meeting");
        let made = Command::new("mkfifo").arg(&meeting).status().unwrap();
        assert!(made.success());
        // Each of the two ends only if the other one runs at the same time.
        let programs = ["echo hello > \"$1\"", "read line < \"$1\""]
            .iter()
            .enumerate()
            .map(|(number, script)| {
                let mut command = Command::new("timeout");
                command.args(["60", "sh", "-c", script, "sh"]).arg(&meeting);
                Program {
                    name: number.to_string(),
                    command,
                    is_doc: true,
                }
            })
            .collect();
        let arguments = Arguments::parse(std::iter::empty());
        let outcomes = run_all(programs, &arguments, 2);
        assert_eq!(outcomes.len(), 2);
        for outcome in outcomes {
            assert!(
                !outcome.is_failure(),
                "{}: {:?}",
                outcome.name,
                outcome.failures()
            );
        }
    }
}
