//! Completions for shells and pages for `man`, generated from the definition of the command line.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;

const NAME: &str = "vfio-user-ism";

/// The completion script of `shell`.
pub(crate) fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut script);
    script
}

/// Writes a page for the program and for each command to `folder`. Makes the folder if it does not exist.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn man(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Cli::command(), folder)
}
