//! The changes as git commits, with the identity of the user's git.

use std::path::Path;
use std::process::Command;

use crate::changes::Change;
use crate::tree::Written;

/// Whether `root` is the work tree of a git repository without uncommitted changes.
///
/// # Errors
/// Says what it is instead.
pub fn check(root: &Path) -> Result<(), String> {
    let above = git(root, &["rev-parse", "--show-prefix"])?;
    if !above.trim().is_empty() {
        return Err("the tree is a folder of a greater git repository".to_owned());
    }
    let known = git(root, &["ls-files", "--", "VERSION"])?;
    if known.is_empty() {
        return Err("the tree is not committed in its git repository".to_owned());
    }
    let status = git(root, &["status", "--porcelain", "--untracked-files=no"])?;
    if status.is_empty() {
        return Ok(());
    }
    Err("the tree has uncommitted changes: commit them first".to_owned())
}

/// Commits the files that one change wrote, signed off by the user.
///
/// # Errors
/// Git's error. The files are no longer staged then.
pub fn commit(root: &Path, change: &Change, written: &Written) -> Result<(), String> {
    let files = || written.keys().map(String::as_str);
    let with_files =
        |words: [&'static str; 2]| words.into_iter().chain(files()).collect::<Vec<_>>();
    let message = format!("{}\n\n{}\n", change.subject, change.reason);
    let done = git(root, &with_files(["add", "--"])).and_then(|_| {
        git(
            root,
            &["commit", "--quiet", "--signoff", "--message", &message],
        )
    });
    if done.is_err() {
        // The first error is the one to report.
        git(root, &with_files(["reset", "--"])).ok();
    }
    done.map(drop)
}

fn git(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(arguments)
        .output()
        .map_err(|error| format!("git: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("git {}: {said}", arguments.first().unwrap_or(&"")))
}
