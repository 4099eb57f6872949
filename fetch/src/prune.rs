//! Prepares an unpacked tree for the cache: removes special rights and unused files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::Error;

/// Removes set-user-ID, set-group-ID and group/other write rights from every file below `folder`. So
/// unpacking as root leaves no privileged program in a cache.
pub(crate) fn plain_rights(folder: &Path) -> Result<(), Error> {
    for item in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let item = item.map_err(Error::io("read", folder))?;
        let path = item.path();
        let data = item.metadata().map_err(Error::io("read", &path))?;
        if data.is_symlink() {
            continue;
        }
        let mode = data.permissions().mode() & 0o7777;
        let wanted = (mode & 0o755) | 0o600 | if data.is_dir() { 0o100 } else { 0 };
        if mode != wanted {
            let rights = fs::Permissions::from_mode(wanted);
            fs::set_permissions(&path, rights).map_err(Error::io("set rights of", &path))?;
        }
        if data.is_dir() {
            plain_rights(&path)?;
        }
    }
    Ok(())
}

/// Removes existing files or folders with these `names` below `root`.
pub(crate) fn remove(root: &Path, names: &[&str]) -> Result<(), Error> {
    for name in names {
        let path = root.join(name);
        let Ok(data) = fs::symlink_metadata(&path) else {
            continue;
        };
        let removed = if data.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.map_err(Error::io("remove", &path))?;
    }
    Ok(())
}

/// Removes everything in `folder` except `names`.
pub(crate) fn keep_only(folder: &Path, names: &[&str]) -> Result<(), Error> {
    for item in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let name = item.map_err(Error::io("read", folder))?.file_name();
        let name = name.to_string_lossy();
        if !names.contains(&name.as_ref()) {
            remove(folder, &[name.as_ref()])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_rights_go_and_the_rest_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (sub, file) = (dir.path().join("sub"), dir.path().join("sub/su"));
        fs::create_dir(&sub).unwrap();
        fs::write(&file, b"").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o6775)).unwrap();
        fs::set_permissions(&sub, fs::Permissions::from_mode(0o1777)).unwrap();
        plain_rights(dir.path()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&file), 0o755);
        assert_eq!(mode(&sub), 0o755);
    }

    #[test]
    fn removes_what_is_named_and_keeps_what_is_named() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a/b/c", "a/d", "e"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        remove(dir.path(), &["a/b", "not-there"]).unwrap();
        assert!(!dir.path().join("a/b").exists() && dir.path().join("a/d").exists());
        keep_only(dir.path(), &["e"]).unwrap();
        assert!(!dir.path().join("a").exists() && dir.path().join("e").exists());
    }
}
