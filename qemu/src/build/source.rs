//! The tree to build.

use std::fs;
use std::path::{Path, PathBuf};

use debian_fetch::{Error, SourcePackage, Version, Workshop, untar};

use super::error::BuildError;

/// The source package.
const PACKAGE: &str = "qemu";
/// How many versions of one suite are tried.
const VERSIONS: usize = 3;
/// Folders of a user's tree that are not copied.
const LEFT_OUT: [&str; 1] = [".git"];

/// The suites with a source of QEMU 10.1 or later, best first.
pub(super) fn suites() -> Vec<String> {
    ["trixie-backports", "sid", "forky", "experimental"]
        .map(str::to_owned)
        .to_vec()
}

/// The versions of a suite that can be built, the newest first.
pub(super) fn versions(workshop: &Workshop, suite: &str) -> Result<Vec<SourcePackage>, Error> {
    let all = workshop.sources(suite, PACKAGE)?;
    let newest = all.first().map(|package| package.version().to_owned());
    let fits = |package: &SourcePackage| package.qemu() >= Some(Version::FIRST_WITH_VFIO_USER);
    let new: Vec<_> = all.into_iter().filter(fits).take(VERSIONS).collect();
    if !new.is_empty() {
        return Ok(new);
    }
    Err(Error::Packages(match newest {
        Some(version) => format!(
            "its source of QEMU, {version}, is too old: it needs {} or later",
            Version::FIRST_WITH_VFIO_USER
        ),
        None => format!("it has no source package {PACKAGE}"),
    }))
}

/// Unpacks Debian's source into `folder` and gives the tree.
pub(super) fn debian(
    workshop: &Workshop,
    package: &SourcePackage,
    folder: &Path,
) -> Result<PathBuf, BuildError> {
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    workshop.unpack_source(package, folder)?;
    Ok(top(folder)?)
}

/// Copies the user's tree, or unpacks the user's tarball, into `folder` and gives the tree.
pub(super) fn own(source: &Path, folder: &Path) -> Result<PathBuf, BuildError> {
    let refused = |reason: String| BuildError::Source {
        path: source.to_path_buf(),
        reason,
    };
    let kind = fs::metadata(source).map_err(|error| refused(error.to_string()))?;
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    if kind.is_dir() {
        if !source.join("VERSION").is_file() || !source.join("configure").is_file() {
            let expected = "it is no QEMU source tree: expected VERSION and configure in it";
            return Err(refused(expected.to_owned()));
        }
        copy(source, folder)?;
        return Ok(folder.to_path_buf());
    }
    untar(source, folder, |_| true).map_err(|error| refused(error.to_string()))?;
    top(folder).map_err(|error| refused(error.to_string()))
}

/// The one folder in `folder`, or `folder` itself.
fn top(folder: &Path) -> Result<PathBuf, Error> {
    let read = fs::read_dir(folder).map_err(Error::io("read", folder))?;
    let items: Vec<_> = read.filter_map(|item| Some(item.ok()?.path())).collect();
    match items.as_slice() {
        [one] if one.is_dir() => Ok(one.clone()),
        _ if folder.join("VERSION").is_file() => Ok(folder.to_path_buf()),
        _ => Err(Error::Missing {
            packages: "a tarball of QEMU".to_owned(),
            expected: "VERSION".to_owned(),
            folder: folder.to_path_buf(),
        }),
    }
}

/// Copies a tree; links stay links, and folders of earlier builds stay behind.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    for item in fs::read_dir(from).map_err(Error::io("read", from))? {
        let item = item.map_err(Error::io("read", from))?;
        let (path, target) = (item.path(), to.join(item.file_name()));
        let kind = item.file_type().map_err(Error::io("read", &path))?;
        if kind.is_symlink() {
            let link = fs::read_link(&path).map_err(Error::io("read", &path))?;
            let linked = std::os::unix::fs::symlink(link, &target);
            linked.map_err(Error::io("link", &target))?;
        } else if kind.is_dir() {
            let name = item.file_name();
            let left_out = LEFT_OUT.iter().any(|each| name == *each);
            if left_out || path.join("build.ninja").exists() {
                continue;
            }
            fs::create_dir(&target).map_err(Error::io("create", &target))?;
            copy(&path, &target)?;
        } else if kind.is_file() && item.file_name() != ".git" {
            fs::copy(&path, &target).map_err(Error::io("copy", &path))?;
        }
    }
    Ok(())
}
