//! Children that end when this process ends for any reason.
//!
//! The kernel kills a process when its parent ends only if the process itself asks for that. So a child is
//! started as `PROGRAM with-parent PARENT CHILD ARGUMENTS`: the program asks the kernel, and then becomes the
//! child.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// The program that has the subcommand `with-parent`.
static KEEPER: OnceLock<PathBuf> = OnceLock::new();

/// Makes the kernel kill every child that [`command`] starts from now on when this process ends. `program` is
/// the program's own executable, which has the subcommand `with-parent`.
pub fn keep_with(program: &Path) {
    let _ = KEEPER.set(program.to_owned());
}

/// Begins a command line of `program`. Start it from a thread that lives as long as the process, because for
/// the kernel the thread that started a child is its parent.
pub fn command(program: &Path) -> Command {
    let Some(keeper) = KEEPER.get() else {
        return Command::new(program);
    };
    let mut command = Command::new(keeper);
    command
        .arg("with-parent")
        .arg(std::process::id().to_string());
    command.arg(program);
    command
}

/// Becomes the program `words[0]`, which the kernel kills when `parent` ends. Returns only if that fails.
pub fn become_program(parent: u32, words: &[OsString]) -> std::io::Error {
    let Some((program, arguments)) = words.split_first() else {
        return std::io::ErrorKind::InvalidInput.into();
    };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // The parent may have ended before this process asked.
    let parent = i32::try_from(parent).ok().and_then(Pid::from_raw);
    if parent.is_none() || getppid() != parent {
        return std::io::Error::other("the parent process has ended");
    }
    Command::new(program).args(arguments).exec()
}
