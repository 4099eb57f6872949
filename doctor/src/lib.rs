//! `vfio-user-ism doctor`: one screen that says what this machine has, and a remedy for each thing
//! that it lacks.
//!
//! - [`Args`]: the flags;
//! - [`run()`]: examines the machine and renders the [`Report`];
//! - `examine/`: one module for each thing that is looked at;
//! - `ask`: starts programs that may hang or crash;
//! - `render`: the screen and the JSON document.
//!
//! Nothing is fetched, and nothing but temporary files is written.

#![forbid(unsafe_code)]

mod args;
mod ask;
mod examine;
mod render;
mod report;

pub use args::{Args, Format};
pub use report::{Finding, Report, State, Topic, Use};

/// The version of the program, which the plugin must have, too.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Examines the machine. Returns the text for standard output, and whether every use is possible.
#[must_use]
pub fn run(args: &Args) -> (String, bool) {
    let report = examine::machine(args);
    let all = report.uses.iter().all(|one| one.possible);
    (render::render(&report, args.format), all)
}
