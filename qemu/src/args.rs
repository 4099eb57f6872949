//! The command line of `qemu`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use debian_fetch::Cache;

use crate::build::{self, BuildError};
use crate::changes::CHANGES;
use crate::commits;
use crate::tested::{self, TESTED};
use crate::tree::{Tree, TreeError};

const EXAMPLES: &str = "\
Examples:
  Change an unpacked source tree:
    vfio-user-ism qemu apply ~/qemu-11.1.1
  Make commits in a git clone:
    vfio-user-ism qemu apply --commit ~/qemu
  Build such a QEMU without a source tree of your own:
    vfio-user-ism fetch qemu-zpci";

/// Arguments of `qemu`.
#[derive(Debug, ClapArgs)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Apply the zPCI changes to a QEMU source tree. A tree that they do not fit stays unchanged.
    Apply {
        /// Unpacked QEMU source, or a git clone of it.
        tree: PathBuf,
        /// Make one signed-off git commit for each change.
        #[arg(long)]
        commit: bool,
    },
    /// List the changes and their reasons.
    Changes,
    /// Fetch the sources of the tested versions, and check whether the changes fit. Build nothing.
    Check,
}

/// A reason why the command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tree cannot be read, changed or written.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A source cannot be fetched, or the changes do not fit it.
    #[error(transparent)]
    Source(#[from] BuildError),
    /// Git failed.
    #[error("{0}")]
    Git(String),
}

/// Carries out the command. Returns the text for standard output.
///
/// # Errors
/// See [`Error`].
pub fn run(args: &Args) -> Result<String, Error> {
    match &args.command {
        Command::Changes => Ok(list()),
        Command::Check => {
            let cache = Cache::locate().map_err(BuildError::from)?;
            Ok(build::check(&cache)?)
        }
        Command::Apply { tree, commit } => {
            let tree = Tree::open(tree)?;
            let plan = tree.plan(&CHANGES)?;
            if *commit {
                commits::check(tree.root()).map_err(Error::Git)?;
                for (change, written) in CHANGES.iter().zip(&plan) {
                    let before = tree.write(written)?;
                    if let Err(error) = commits::commit(tree.root(), change, written) {
                        before.restore();
                        return Err(Error::Git(error));
                    }
                }
            } else {
                // A later change has the earlier ones of the same file, too.
                tree.write(&plan.clone().into_iter().flatten().collect())?;
            }
            let mut text = String::new();
            for (change, written) in CHANGES.iter().zip(&plan) {
                let files = written.keys().map(|file| format!("  {file}\n"));
                text.push_str(&format!(
                    "{}\n{}",
                    change.subject,
                    files.collect::<String>()
                ));
            }
            text.push_str(&verdict(&tree.version));
            Ok(text)
        }
    }
}

fn verdict(version: &str) -> String {
    let tested = tested::versions();
    if TESTED.iter().any(|tested| tested.version == version) {
        format!("QEMU {version}: built and tested with these changes.\n")
    } else {
        format!("QEMU {version}: not tested with these changes (tested: {tested}).\n")
    }
}

fn list() -> String {
    let change =
        |change: &crate::changes::Change| format!("{}\n\n{}\n\n", change.subject, change.reason);
    let changes: String = CHANGES.iter().map(change).collect();
    format!("{changes}Tested with QEMU {}.\n", tested::versions())
}
