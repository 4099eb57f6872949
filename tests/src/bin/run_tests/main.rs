//! Runs test programs side by side, which `cargo test` runs one after the other: many of them wait
//! for guests and timeouts more than they compute. `./test` calls it.
//!
//! ```text
//! run_tests [ARGUMENT...] [-- ARGUMENT...]
//! ```
//!
//! The arguments are those of `cargo test`. Each line of a test program appears at once, behind the
//! program's name. The failures are shown again at the end, then a table of seconds and of seconds of
//! processor time, then the counts.
//! `$VFIO_USER_ISM_TEST_JOBS` says how many programs run at a time (default: one more than
//! there are processors, as one of them always waits).

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

/// A silent run says what it waits for this often.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// Programs that take long. They start first, so that none of them runs alone in the end.
const LONG: [&str; 9] = [
    "builds",
    "lab",
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
    let rank = |program: &Program| LONG.iter().position(|name| program.name.ends_with(name));
    programs.sort_by_key(|program| rank(program).unwrap_or(LONG.len()));
    if arguments.wants_doc_tests() {
        programs.push(build::doc_tests(&arguments));
    }
    let start = Instant::now();
    let outcomes = run_all(programs, &arguments);
    report(&outcomes, start.elapsed())
}

/// Runs all programs, some at a time.
fn run_all(programs: Vec<Program>, arguments: &Arguments) -> Vec<Outcome> {
    let jobs = jobs().min(programs.len().max(1));
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
                while let Some(program) = lock(queue).pop_front() {
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
        .unwrap_or(processors + 1)
        .max(1)
}

/// Runs one program to its end and passes its lines on.
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

/// Starts a command and prints each of its lines behind `name`. Returns the lines, the exit code, and
/// the processor time of the command and of the processes that it waited for.
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
    // The command holds writing ends of the pipe, which would never end.
    drop(command);
    let lines = output::pass_on(name, reader);
    // The end is awaited first, and the process is left there to be looked at.
    if let Some(id) = Pid::from_raw(child.id().cast_signed()) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        retry_on_intr(|| waitid(WaitId::Pid(id), options))?;
    }
    let processor = processor_time(child.id());
    Ok((lines, child.wait()?.code(), processor))
}

/// The processor time of a process and of those that it waited for (source: proc_pid_stat(5), fields
/// 14 to 17; a tick is 1/100 s on every machine that this project knows).
fn processor_time(id: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = behind_name.split_whitespace().skip(11).take(4);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

/// Shows failures and times again; the last line counts.
fn report(outcomes: &[Outcome], took: Duration) -> ExitCode {
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
    let mut sorted: Vec<_> = outcomes.iter().collect();
    sorted.sort_by_key(|outcome| std::cmp::Reverse(outcome.took));
    for outcome in sorted {
        println!(
            "{:>10.1} {:>10.1}  {}: {}",
            outcome.took.as_secs_f64(),
            outcome.processor.as_secs_f64(),
            outcome.name,
            outcome.counts
        );
    }
    let processor: Duration = outcomes.iter().map(|outcome| outcome.processor).sum();
    println!(
        "{:>10.1} {:>10.1}  all, side by side",
        took.as_secs_f64(),
        processor.as_secs_f64()
    );
    let all: Counts = outcomes.iter().map(|outcome| outcome.counts).sum();
    println!("{all}");
    if outcomes.iter().any(Outcome::is_failure) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
