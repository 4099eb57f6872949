//! Where the files of a run lie: a folder that the user named, or one that goes unless the run fails.

use crate::error::Error;
use std::path::{Path, PathBuf};

/// Files of a failed run that are kept unasked.
const TELLING: [&str; 5] = [
    "qemu.log",
    "server.log",
    "events.jsonl",
    "console.log",
    "gdb.log",
];

/// The folder of a run.
#[derive(Debug)]
pub enum Folder {
    /// It was named, so all stays.
    Kept(PathBuf),
    /// It goes when this value goes.
    Passing(tempfile::TempDir),
}

impl Folder {
    /// The folder `keep`, or one that passes.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new(keep: Option<&Path>) -> Result<Self, Error> {
        let made = match keep {
            Some(path) => std::fs::create_dir_all(path)
                .and_then(|()| path.canonicalize())
                .map(Self::Kept),
            None => tempfile::Builder::new()
                .prefix("intercept-")
                .tempdir()
                .map(Self::Passing),
        };
        made.map_err(|source| Error::File {
            path: keep.map_or_else(std::env::temp_dir, Path::to_owned),
            source,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Passing(folder) => folder.path(),
        }
    }

    /// Keeps logs and events of a run that failed, and says where.
    pub fn keep_what_tells(self) {
        let path = match self {
            Self::Kept(path) => path,
            Self::Passing(folder) => {
                let path = folder.keep();
                thin_out(&path);
                path
            }
        };
        if path.exists() {
            eprintln!("logs and events are kept in {}", path.display());
        }
    }
}

/// Removes all but the files that tell what happened, and folders that are then empty.
fn thin_out(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            thin_out(&path);
        } else if !TELLING.iter().any(|name| entry.file_name() == *name) {
            // What cannot be removed stays.
            let _ = std::fs::remove_file(&path);
        }
    }
    // It fails if something is left.
    let _ = std::fs::remove_dir(folder);
}

#[cfg(test)]
mod tests {
    use super::Folder;

    #[test]
    fn a_failed_run_keeps_what_tells_and_nothing_else() {
        let folder = Folder::new(None).expect("a folder");
        let path = folder.path().to_owned();
        for name in ["qemu.log", "probe.elf", "events.jsonl"] {
            std::fs::write(path.join(name), "x").expect("writes");
        }
        std::fs::create_dir(path.join("start-2")).expect("is ours");
        std::fs::write(path.join("start-2/memory.dump"), "x").expect("writes");
        folder.keep_what_tells();
        let mut left: Vec<_> = std::fs::read_dir(&path)
            .expect("is there")
            .map(|entry| entry.expect("is there").file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["events.jsonl", "qemu.log"]);
        std::fs::remove_dir_all(path).expect("is ours");
    }

    #[test]
    fn a_good_run_leaves_nothing() {
        let folder = Folder::new(None).expect("a folder");
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }
}
