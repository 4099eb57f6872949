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

/// The text of a file.
pub(super) fn read(path: &Path) -> Result<String, KitError> {
    fs::read_to_string(path).map_err(KitError::io("read", path))
}

pub(super) fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), KitError> {
    fs::write(path, bytes).map_err(KitError::io("write", path))
}

pub(super) fn copy(from: &Path, to: &Path) -> Result<(), KitError> {
    let copied = fs::copy(from, to).map(drop);
    copied.map_err(KitError::io("copy", from))
}

pub(super) fn create(folder: &Path) -> Result<(), KitError> {
    fs::create_dir_all(folder).map_err(KitError::io("create", folder))
}

/// Writes sources, each a name and a text, into a folder that need not be there.
pub(super) fn write_sources(folder: &Path, sources: &[(&str, &str)]) -> Result<(), KitError> {
    create(folder)?;
    let mut sources = sources.iter();
    sources.try_for_each(|(name, text)| write(&folder.join(name), text))
}
