//! Recorded sessions as pictures: the `view` subcommand.
//!
//! The path of a session, and the modules along it:
//! - [`input`]: event files of the server and records of the plugin, line by line, in one order;
//! - [`decode`]: addresses, commands, event queue entries and SMC-D's CDC messages as named fields;
//! - [`session`]: lanes, DMBs, rings, and the rows of three levels of detail;
//! - [`page`], [`perfetto`], [`follow`]: the three ways to look at it;
//! - [`replay`]: a capture played against a server again.
//!
//! Non-goal: it judges nothing; what the server wrote is what is shown.
#![forbid(unsafe_code)]

mod args;
mod decode;
mod error;
mod follow;
mod input;
mod page;
mod perfetto;
pub mod replay;
mod run;
mod session;

pub use args::Args;
pub use error::Error;
pub use run::run;
