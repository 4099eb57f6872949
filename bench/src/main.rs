//! Measures the server beside a minimal `vfio_user::Server` of the same regions and a bare socket ping-pong
//! of equal message sizes: `cargo run --release -p bench`.
//!
//! All servers are separate processes. One client that knows only bytes ([`link`]) drives them in turns,
//! round after round, so that other load on the machine affects all of them alike. The results are the median
//! of a row's rounds, and the median of the ratios within each round.
//!
//! - [`args`]: the command line; [`plan`]: the list of rows; [`rows`]: the work of each row;
//! - [`link`], [`messages`]: the client; [`servers`]: the processes; [`foreign`], [`bare`]: two of the
//!   servers; [`fabric`]: the measured server, set up for a row; [`busy`]: many functions;
//! - [`compare`]: comparison with an earlier run; [`plot`]: ratios as a picture;
//! - [`measure`]: rounds and medians; [`facts`]: memory and idle time; [`output`]: tables and JSON.
//!
//! `docs/performance.md` explains the rows and shows their results.
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

/// Measures, compares and draws, as the arguments say.
fn run(args: &Args) -> Result<(), String> {
    let earlier = args.compare.as_deref().map(Earlier::read).transpose()?;
    let mut results = plan::run(args)?;
    results.changes = earlier.map(|earlier| earlier.changes(&results.times, &results.ratios));
    print!("{}", output::render(&results, args.format));
    if let Some(path) = &args.plot {
        std::fs::write(path, plot::svg(&results.ratios))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}
