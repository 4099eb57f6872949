//! A QEMU source tree. It writes either all changes or none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::changes::Change;
use crate::source::Source;

/// Other licences of our file. A part of QEMU is only under the GPL.
const OTHER_LICENCES: &str = " OR Apache-2.0 OR MIT";

/// A reason why the tree stays unchanged.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The folder holds no QEMU.
    #[error("{}: no QEMU source tree: expected VERSION and hw/s390x in it", .0.display())]
    NotQemu(PathBuf),
    /// The tree already has the changes.
    #[error("{}: the changes are in this tree already ({file} is there)", tree.display())]
    Applied {
        /// The tree.
        tree: PathBuf,
        /// One of our files.
        file: String,
    },
    /// The tree lacks places that the edits name.
    #[error(
        "{}: this QEMU {version} is not understood, and nothing was changed:\n{}",
        tree.display(), missing.join("\n")
    )]
    NotUnderstood {
        /// The tree.
        tree: PathBuf,
        /// The tree's version.
        version: String,
        /// The missing texts, with their files.
        missing: Vec<String>,
    },
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
}

/// A QEMU source tree.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    /// The tree's version, from the file VERSION.
    pub version: String,
}

/// The files that one change makes or replaces.
pub type Written = BTreeMap<String, String>;

/// Files before a change, to undo it. `None` is a file that was not there.
#[derive(Debug, Default)]
pub struct Before(Vec<(PathBuf, Option<Vec<u8>>)>);

impl Before {
    /// Gives every file its old content again, as far as that is possible.
    pub fn restore(self) {
        for (path, content) in self.0.into_iter().rev() {
            let done = match content {
                Some(content) => std::fs::write(&path, content),
                None => std::fs::remove_file(&path),
            };
            // The error that led here is the one to report.
            done.ok();
        }
    }
}

impl Tree {
    /// Opens the tree in a folder.
    ///
    /// # Errors
    /// It holds no QEMU.
    pub fn open(root: &Path) -> Result<Self, TreeError> {
        let version = std::fs::read_to_string(root.join("VERSION"));
        match version {
            Ok(version) if root.join("hw/s390x").is_dir() => Ok(Self {
                root: root.to_owned(),
                version: version.trim().to_owned(),
            }),
            _ => Err(TreeError::NotQemu(root.to_owned())),
        }
    }

    /// The folder of the tree.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The files that each change would write. Writes nothing.
    ///
    /// # Errors
    /// The tree has the changes, or lacks a place that one of them names.
    pub fn plan(&self, changes: &[Change]) -> Result<Vec<Written>, TreeError> {
        let mut now: BTreeMap<&str, Source> = BTreeMap::new();
        let mut missing = Vec::new();
        let mut plan = Vec::new();
        for change in changes {
            if self.has(change) {
                missing.push(format!("  it has a change already: {}", change.subject));
                continue;
            }
            let mut written = Written::new();
            for (file, text) in change.files {
                if self.root.join(file).symlink_metadata().is_ok() {
                    return Err(TreeError::Applied {
                        tree: self.root.clone(),
                        file: (*file).to_owned(),
                    });
                }
                written.insert((*file).to_owned(), text.replace(OTHER_LICENCES, ""));
            }
            for edit in change.edits {
                if !now.contains_key(edit.file) {
                    match std::fs::read_to_string(self.root.join(edit.file)) {
                        Ok(text) => {
                            now.insert(edit.file, Source::new(&text));
                        }
                        Err(error) => {
                            missing.push(format!("  {}: {error}", edit.file));
                            continue;
                        }
                    }
                }
                if let Some(source) = now.get_mut(edit.file) {
                    match source.edit(&edit.place, edit.text) {
                        Ok(()) => {
                            written.insert(edit.file.to_owned(), source.text());
                        }
                        Err(what) => missing.push(format!("  {}: {what}", edit.file)),
                    }
                }
            }
            plan.push(written);
        }
        if missing.is_empty() {
            return Ok(plan);
        }
        Err(TreeError::NotUnderstood {
            tree: self.root.clone(),
            version: self.version.clone(),
            missing,
        })
    }

    /// Whether the files have the text of every edit: this change is there, or QEMU has one like it.
    fn has(&self, change: &Change) -> bool {
        let texts = change.edits.iter().filter(|edit| !edit.text.is_empty());
        let mut found = texts.map(|edit| {
            let file = std::fs::read_to_string(self.root.join(edit.file));
            file.is_ok_and(|file| file.contains(edit.text.trim()))
        });
        change.files.is_empty() && found.all(|found| found)
    }

    /// Writes the files of a change. Returns their old contents.
    ///
    /// # Errors
    /// A file cannot be written. All files have their old contents then.
    pub fn write(&self, written: &Written) -> Result<Before, TreeError> {
        let mut before = Before::default();
        for (file, text) in written {
            let path = self.root.join(file);
            let wrote = match std::fs::read(&path) {
                Ok(old) => {
                    before.0.push((path.clone(), Some(old)));
                    std::fs::write(&path, text)
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    before.0.push((path.clone(), None));
                    std::fs::write(&path, text)
                }
                Err(error) => Err(error),
            };
            if let Err(source) = wrote {
                before.restore();
                return Err(TreeError::File { path, source });
            }
        }
        Ok(before)
    }
}
