//! Applies this project's zPCI changes to a QEMU source tree.
//!
//! - [`changes`]: the changes: whole files of our own, and the smallest edits of QEMU's files;
//! - [`source`]: one file of QEMU, and the places in it that an edit names;
//! - [`tree`]: a whole tree: nothing is written unless everything can be;
//! - [`commits`]: the changes as git commits;
//! - [`args`]: the command line.
//!
//! The repository holds none of QEMU's text. An edit names a function and an identifier in it.
//! `tree/` holds the files that become part of QEMU; they are GPL-2.0-or-later.
//!
//! Non-goal: building QEMU.
#![forbid(unsafe_code)]

pub mod args;
pub mod changes;
pub mod commits;
pub mod source;
pub mod tree;

pub use args::{Args, Error, run};
