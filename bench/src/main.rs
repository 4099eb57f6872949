//! The server's speed, beside a minimal `vfio_user::Server` of the same regions and a bare socket
//! ping-pong of equal message sizes: `cargo run --release -p bench`.
//!
//! All servers are processes of their own; one client that knows only bytes ([`link`]) drives them
//! in turns, round after round, so that whatever else the machine does hits all alike. What counts
//! is the median of a row's rounds, and the median of the ratios within each round.
//!
//! - [`args`]: the command line; [`plan`]: which rows there are, [`rows`]: what each does;
//! - [`link`], [`messages`]: the client; [`servers`]: the processes, [`foreign`] and [`bare`]: what
//!   runs in two of them; [`fabric`]: our server, set up for a row; [`busy`]: many functions;
//! - [`compare`]: an earlier run beside this one; [`plot`]: ratios as a picture;
//! - [`measure`]: rounds and medians; [`facts`]: memory and idle time; [`output`]: tables and JSON.
//!
//! `docs/performance.md` explains the rows and has their results.
#![forbid(unsafe_code)]

mod args;
mod bare;
mod busy;
mod compare;
mod fabric;
mod facts;
mod foreign;
mod link;
mod measure;
mod messages;
mod output;
mod plan;
mod plot;
mod rows;
mod servers;

use clap::Parser;

use args::{Args, Role};
use compare::Earlier;

fn main() {
    let args = Args::parse();
    match args.role {
        Some(Role::Foreign { socket }) => foreign::serve(&socket),
        Some(Role::Bare { socket, poll_us }) => bare::serve(&socket, poll_us),
        None => {
            if let Err(problem) = run(&args) {
                eprintln!("bench: {problem}");
                std::process::exit(1);
            }
        }
    }
}

/// Measures, compares and draws.
fn run(args: &Args) -> Result<(), String> {
    let earlier = args.compare.as_deref().map(Earlier::read).transpose()?;
    let mut results = plan::run(args);
    results.changes = earlier.map(|earlier| earlier.changes(&results.times, &results.ratios));
    print!("{}", output::render(&results, args.format));
    if let Some(path) = &args.plot {
        std::fs::write(path, plot::svg(&results.ratios))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}
