//! The files of a folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::KitError;

/// The files in `folder`, in order of their names.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, KitError> {
    items(folder, |path| path.is_file())
}

/// The folders in `folder`, in order of their names.
pub(super) fn folders(folder: &Path) -> Result<Vec<PathBuf>, KitError> {
    items(folder, |path| path.is_dir())
}

fn items(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>, KitError> {
    let read = fs::read_dir(folder).map_err(KitError::io("read", folder))?;
    let mut paths = read
        .map(|item| item.map(|item| item.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(KitError::io("read", folder))?;
    paths.retain(|path| wanted(path));
    paths.sort();
    Ok(paths)
}
