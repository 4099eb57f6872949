//! Random clients on several functions and their channels, for any length of time. At the end, the server
//! must hold the same resources as at the beginning.
//!
//! A seed chooses the actions of the clients. The machine decides how they interleave, so the same seed makes
//! the same clients, but not the same run.

mod chaos;
mod choice;
mod scenario;
mod usage;

pub use choice::Choice;
pub use scenario::Scenario;
pub use usage::Usage;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::daemon::Daemon;
use crate::patience::{PATIENCE, eventually};
use scenario::Stage;

/// The settings of a soak.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Time for which clients come and go.
    pub time: Duration,
    /// Seed of the clients' choices.
    pub seed: u64,
    /// Number of functions of the fabric, each with its clients.
    pub functions: usize,
    /// Interval between progress messages on stderr.
    pub progress: Duration,
}

/// The result of a soak.
#[derive(Debug)]
pub struct Outcome {
    /// The server's resources when the first clients had come and gone.
    pub before: Usage,
    /// The server's resources at the end, without clients.
    pub after: Usage,
    /// Number of runs of each scenario.
    pub played: Vec<(&'static str, u64)>,
}

/// KiB by which resident memory may grow, because the allocator keeps freed memory.
pub const GROWTH_KIB: u64 = 4096;
/// Rounds of every client before the first measurement. They create buffers and arenas.
const WARM_UP: u64 = 3;

impl Outcome {
    /// Returns the errors in the result, if there are any.
    pub fn complaint(&self) -> Option<String> {
        let (before, after) = (&self.before, &self.after);
        let same = before.descriptors == after.descriptors
            && before.threads == after.threads
            && before.guest_maps == after.guest_maps;
        if same && after.resident_kib <= before.resident_kib + GROWTH_KIB {
            return None;
        }
        Some(format!("before: {before}\nafter:  {after}"))
    }
}

struct Counters([AtomicU64; Scenario::ALL.len()]);

impl Counters {
    fn total(&self) -> u64 {
        self.0
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .sum()
    }
}

/// Runs a soak against a new server. Panics if a client does not get a reply that it is entitled to.
#[track_caller]
pub fn run(plan: &Plan) -> Outcome {
    let names: Vec<String> = (0..plan.functions).map(|at| format!("ism{at}")).collect();
    let functions: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(at, name)| json!({ "name": name, "gid": format!("{:#x}", 0x1500_0000_0000_0001_u64 + at as u64) }))
        .collect();
    let profile = json!({ "schema_version": 1, "name": "soak", "functions": functions });
    // Events of an hour would fill a disk, so events over the limit are only counted.
    let daemon = Daemon::with_text_and(&profile.to_string(), &["--events-limit", "1000000"]);
    let sockets: Vec<(PathBuf, PathBuf)> = names
        .iter()
        .map(|name| (daemon.socket(name), daemon.channel(name)))
        .collect();
    let stage = Stage::new(daemon.pid());
    let counters = Counters(Default::default());
    let rounds = |until: &(dyn Fn(u64) -> bool + Sync), salt: u64| {
        thread::scope(|threads| {
            let workers: Vec<_> = sockets
                .iter()
                .enumerate()
                .flat_map(|(at, sockets)| {
                    [(2 * at, &sockets.0, false), (2 * at + 1, &sockets.1, true)]
                })
                .map(|(at, socket, channel)| {
                    let mut choice = Choice::new(plan.seed ^ salt ^ (at as u64) << 32);
                    let (stage, counters) = (&stage, &counters);
                    threads.spawn(move || {
                        for round in 0.. {
                            if until(round) {
                                break;
                            }
                            let scenario = Scenario::choose(&mut choice, channel);
                            scenario.play(socket, at, stage, &mut choice);
                            counters.0[scenario as usize].fetch_add(1, Ordering::Relaxed);
                        }
                    })
                })
                .collect();
            for worker in workers {
                worker
                    .join()
                    .unwrap_or_else(|_| panic!("a client of seed {} failed", plan.seed));
            }
        });
    };
    let warm_up = WARM_UP * Scenario::ALL.len() as u64;
    rounds(&|round| round >= warm_up, 1);
    let before = settled(&daemon, None);
    eprintln!(
        "soak: seed {}, {} functions, {before}",
        plan.seed, plan.functions
    );
    let start = Instant::now();
    let over = AtomicBool::new(false);
    thread::scope(|threads| {
        threads.spawn(|| {
            let mut told = start;
            while !over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(50));
                if told.elapsed() >= plan.progress {
                    told = Instant::now();
                    let (seconds, clients) = (start.elapsed().as_secs(), counters.total());
                    let usage = Usage::of(daemon.pid());
                    eprintln!("soak: {seconds} s, {clients} clients, {usage}");
                }
            }
        });
        let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            rounds(&|_| start.elapsed() >= plan.time, 2);
        }));
        over.store(true, Ordering::Relaxed);
        if let Err(panic) = played {
            std::panic::resume_unwind(panic);
        }
    });
    let after = settled(&daemon, Some(&before));
    let names = Scenario::ALL.iter().map(|scenario| scenario.name());
    let counts = counters.0.iter().map(|count| count.load(Ordering::Relaxed));
    let played = names.zip(counts).collect();
    let stopped = daemon.stop();
    assert_eq!(stopped.ended.code, Some(0), "{}", stopped.ended.stderr);
    Outcome {
        before,
        after,
        played,
    }
}

/// Returns the server's resources once it has noticed that no client is there: at most `expected`, if it gets
/// there in time.
#[track_caller]
fn settled(daemon: &Daemon, expected: Option<&Usage>) -> Usage {
    let mut last = Usage::of(daemon.pid());
    let start = Instant::now();
    eventually("the server comes to rest", || {
        thread::sleep(Duration::from_millis(300));
        let now = Usage::of(daemon.pid());
        let still = now == last && now.guest_maps == 0;
        let fits = expected.is_none_or(|expected| now.descriptors == expected.descriptors);
        last = now;
        (still && (fits || start.elapsed() > PATIENCE / 3)).then_some(now)
    })
}
