//! Applies this project's zPCI changes to a QEMU source tree, and builds it.
//!
//! - [`changes`]: the changes: whole files of our own, and the smallest edits of QEMU's files;
//! - [`source`]: one file of QEMU, and the places in it that an edit names;
//! - [`tree`]: a whole tree: nothing is written unless everything can be;
//! - [`commits`]: the changes as git commits;
//! - [`args`]: the command line;
//! - [`build`]: such a QEMU in the cache, built once;
//! - [`named`]: the QEMU that a `--qemu` means;
//! - [`tested`]: versions that were built and tested, with the hashes of their tarballs.
//!
//! The repository holds none of QEMU's text. An edit names a function and an identifier in it.
//! `tree/` holds the files that become part of QEMU; they are GPL-2.0-or-later.
#![forbid(unsafe_code)]

pub mod args;
pub mod build;
pub mod changes;
pub mod commits;
pub mod named;
pub mod source;
pub mod tested;
pub mod tree;

pub use args::{Args, Error, run};
pub use build::BuildError;
pub use named::Named;
