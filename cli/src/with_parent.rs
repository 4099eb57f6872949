//! A program that ends with the one that started it, however that ends.
//!
//! `intercept` starts servers and QEMUs through this: one that is killed leaves none behind.

use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// Becomes the program `words[0]`, to be killed when `parent` has ended. Returns only why that failed.
pub fn become_program(parent: u32, words: &[std::ffi::OsString]) -> std::io::Error {
    let Some((program, arguments)) = words.split_first() else {
        return std::io::ErrorKind::InvalidInput.into();
    };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // It may have ended before that was asked for.
    let parent = i32::try_from(parent).ok().and_then(Pid::from_raw);
    if parent.is_none() || getppid() != parent {
        return std::io::Error::other("who started this has ended");
    }
    Command::new(program).args(arguments).exec()
}
