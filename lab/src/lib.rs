//! Boots Linux guests on one emulated ISM fabric and lets them talk SMC-D.
//!
//! | module | what it is |
//! |---|---|
//! | `args`, `setup`, `run` | the subcommand |
//! | `lab` | a running lab: server, guests, network |
//! | `server`, `control`, `profile` | the fabric |
//! | `child` | child processes, by the crate `harness` |
//! | `guest`, `qemu`, `console` | one guest |
//! | [`kit`], `boot` | what it boots; `guest/` holds what runs inside |
//! | `qmp` | QEMU's monitor |
//! | `agent` | runs commands in it |
//! | `switch` | the network between guests |
//! | `scenario` | what guests do, what happens to them, and what must hold afterwards |
//! | `terminal`, `keys` | a guest's console on this terminal |
//! | `splat` | finds kernel reports in a console log |
//! | `bench`, `variant` | what is measured, and beside which other lab |
//!
//! Non-goal: emulating the function; that is the server's, which the lab starts.

#![forbid(unsafe_code)]

mod agent;
mod args;
mod bench;
mod boot;
mod child;
mod console;
mod control;
mod error;
mod folder;
mod guest;
mod json;
mod keys;
pub mod kit;
mod lab;
mod profile;
mod qemu;
mod qmp;
mod run;
mod say;
mod scenario;
mod server;
mod setup;
mod splat;
mod switch;
mod terminal;
mod variant;

pub use agent::Output;
pub use args::{Args, Beside, Format};
pub use error::Error;
pub use folder::Folder;
pub use guest::{Guest, Recipe};
pub use kit::{KernelChoice, Kit, KitError, OwnKernel, Smc};
pub use lab::Lab;
pub use run::run;
pub use setup::Setup;
