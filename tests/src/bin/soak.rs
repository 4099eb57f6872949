//! Runs random clients against a server for any length of time:
//!
//!     cargo run -p vfio-user-ism-tests --bin soak -- --minutes 60
//!
//! Exit status 0 means that the server holds the same resources at the end as at the beginning.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Parser;
use vfio_user_ism_tests::soak::{Plan, run};

/// Random clients connect, map, store, signal, reset and die on every function and channel of a server. At
/// the end, descriptors, threads and memory must be as before.
#[derive(Debug, Parser)]
struct Arguments {
    /// Length of the run in minutes.
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// Seed of the random choices. Default: the time of day.
    #[arg(long)]
    seed: Option<u64>,
    /// Number of functions of the fabric.
    #[arg(long, default_value_t = 4)]
    functions: usize,
}

fn main() -> ExitCode {
    let Arguments {
        minutes,
        seed,
        functions,
    } = Arguments::parse();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seed = seed.unwrap_or_else(|| now.map_or(0, |now| now.as_nanos() as u64));
    let outcome = run(&Plan {
        time: Duration::from_secs_f64(minutes * 60.0),
        seed,
        functions,
        progress: Duration::from_secs(10),
    });
    for (name, times) in &outcome.played {
        println!("{times:>10}  {name}");
    }
    println!("before: {}\nafter:  {}", outcome.before, outcome.after);
    if outcome.complaint().is_some() {
        eprintln!("soak: the server holds more than it did (seed {seed})");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
