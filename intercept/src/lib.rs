//! Tests QEMU's interception of zPCI instructions: compares the instructions of a guest with the accesses
//! that the device sees.
//!
//! The path of a run, and the modules along it:
//! - [`plan`]: the instructions to execute, as data; [`pattern`]: their payloads;
//! - [`probe`]: the bare-metal guest made from a plan, its machine code by the crate `s390x-asm`;
//! - [`server`], [`qemu`]: the programs that run, by the crate `harness`; [`events`]: what the device saw;
//! - [`recording`]: all of it as one file; [`session`] makes one; [`starts`]: QEMU, again behind each stop;
//! - [`attribute`], [`expect`], [`verdict`]: whose access it was, what it should have been, what it is;
//! - [`lengths`]: which lengths of block stores arrive, from a second run;
//! - [`report`], [`baseline`]: the result for people and programs;
//! - [`stand_in`]: a client that behaves well, to show that the suite can pass;
//! - [`Args`], [`run()`], [`Error`]: the subcommand.
//!
//! Non-goal: emulating the function; that is the server's.

#![forbid(unsafe_code)]

mod align;
mod args;
mod attribute;
mod baseline;
mod defects;
mod document;
mod error;
pub mod events;
pub mod expect;
mod folder;
mod forwarding;
mod lengths;
mod observed;
mod pattern;
pub mod plan;
pub mod probe;
mod profile;
mod qemu;
pub mod recording;
pub mod report;
mod run;
mod select;
mod server;
mod session;
pub mod stand_in;
mod starts;
mod together;
pub mod verdict;

pub use args::{Args, FailOn, Format};
pub use document::DocumentError;
pub use error::Error;
pub use run::{Ending, run};
