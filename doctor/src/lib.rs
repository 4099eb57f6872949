//! `vfio-user-ism doctor`: checks whether the program's uses are possible on this machine, and names a remedy
//! for each gap.
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

use debian_fetch::Entry;

pub use args::{Args, Format};
pub use report::{Finding, Report, State, Topic, Use};

/// Examines the machine. `is_lab_guest` says whether the lab can boot an entry of the cache.
///
/// Returns the text for standard output, and whether every use is possible.
pub fn run(args: &Args, is_lab_guest: impl Fn(&Entry) -> bool) -> (String, bool) {
    let report = examine::machine(args, &is_lab_guest);
    let all = report.uses.iter().all(|one| one.possible);
    (render::render(&report, args.format), all)
}
