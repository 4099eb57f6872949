//! The folder of a run's files: a named one, or a temporary one that stays only if the run fails.

use crate::error::Error;
use std::path::{Path, PathBuf};

/// Files of a failed run that are always kept.
const TELLING: [&str; 5] = [
    "qemu.log",
    "server.log",
    "events.jsonl",
    "console.log",
    "gdb.log",
];

/// Number of failed runs whose files are kept.
const KEPT_RUNS: usize = 20;

/// The folder of a run.
#[derive(Debug)]
pub(crate) enum Folder {
    /// A named folder. All files stay.
    Kept(PathBuf),
    /// A temporary folder. Dropping this value removes it.
    Passing(tempfile::TempDir),
}

impl Folder {
    /// The folder `keep`, or a temporary one.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn new(keep: Option<&Path>) -> Result<Self, Error> {
        let made = match keep {
            Some(path) => std::fs::create_dir_all(path)
                .and_then(|()| path.canonicalize())
                .map(Self::Kept),
            None => tempfile::Builder::new()
                .prefix("intercept-")
                .tempdir()
                .map(Self::Passing),
        };
        made.map_err(Error::file(keep.unwrap_or(&std::env::temp_dir())))
    }

    /// Path of the folder.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Passing(folder) => folder.path(),
        }
    }

    /// Keeps logs and events of a failed run, and prints their place.
    pub(crate) fn keep_what_tells(self) {
        let kept = match self {
            Self::Kept(path) => path,
            Self::Passing(folder) => {
                let Some(runs) = state_folder() else { return };
                let name = folder.path().file_name().unwrap_or_default();
                let path = runs.join(name);
                // If the logs cannot be kept, the run's own error is more important.
                if copy_what_tells(folder.path(), &path).is_err() || !path.exists() {
                    return;
                }
                forget_old(&runs);
                path
            }
        };
        eprintln!("logs and events are kept in {}", kept.display());
    }
}

/// The user's folder for logs of programs (XDG Base Directory Specification).
fn state_folder() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let state = set("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(set("HOME")?).join(".local/state")))?;
    Some(state.join("vfio-user-ism").join("intercept"))
}

fn copy_what_tells(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_what_tells(&path, &target)?;
        } else if TELLING.iter().any(|name| entry.file_name() == *name) {
            std::fs::create_dir_all(to)?;
            std::fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

/// Removes all but the newest runs.
fn forget_old(runs: &Path) {
    let Ok(entries) = std::fs::read_dir(runs) else {
        return;
    };
    let mut runs: Vec<_> = entries
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    runs.sort();
    let old = runs.len().saturating_sub(KEPT_RUNS);
    for (_, path) in runs.iter().take(old) {
        // Another run may have removed it.
        let _ = std::fs::remove_dir_all(path);
    }
}

#[cfg(test)]
mod tests {
    use super::{Folder, KEPT_RUNS, copy_what_tells, forget_old};

    #[test]
    fn what_tells_is_copied_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        std::fs::create_dir_all(from.join("start-2")).expect("is ours");
        std::fs::create_dir_all(from.join("start-3")).expect("is ours");
        for name in [
            "qemu.log",
            "probe.elf",
            "start-2/events.jsonl",
            "start-3/memory.dump",
        ] {
            std::fs::write(from.join(name), name).expect("writes");
        }
        copy_what_tells(&from, &to).expect("copies");
        let there = |name: &str| to.join(name).exists();
        assert!(there("qemu.log") && there("start-2/events.jsonl"));
        assert!(!there("probe.elf") && !there("start-3"));
    }

    #[test]
    fn only_the_newest_runs_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        for number in 0..KEPT_RUNS + 3 {
            let run = folder.path().join(format!("run-{number}"));
            std::fs::create_dir(&run).expect("is ours");
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(number as u64);
            let file = std::fs::File::open(&run).expect("is there");
            file.set_modified(time).expect("is ours");
        }
        forget_old(folder.path());
        let left = |number: usize| folder.path().join(format!("run-{number}")).exists();
        assert_eq!(
            [left(0), left(2), left(3), left(KEPT_RUNS + 2)],
            [false, false, true, true]
        );
    }

    #[test]
    fn a_good_run_leaves_nothing() {
        let folder = Folder::new(None).expect("a folder");
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }
}
