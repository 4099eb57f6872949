//! The tree to build.

use std::fs;
use std::path::{Path, PathBuf};

use debian_fetch::{Error, SourcePackage, Version, Workshop, untar};

use super::error::BuildError;
use crate::tested::{TESTED, Tested};

/// The source package.
const PACKAGE: &str = "qemu";
/// Suites with a source of QEMU 10.1 or later, best first.
const SUITES: [&str; 4] = ["trixie-backports", "sid", "forky", "experimental"];
/// Takes the place of a suite for versions that no list names.
pub(super) const TESTED_VERSIONS: &str = "tested versions";
/// Number of versions of one suite to try.
const VERSIONS: usize = 3;
/// Folders of a user's tree that are not copied.
const LEFT_OUT: [&str; 1] = [".git"];

/// A place that names source packages.
pub(super) enum Place {
    /// The list of a suite.
    Suite(String),
    /// The tested versions.
    Tested,
}

impl Place {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Suite(suite) => suite,
            Self::Tested => TESTED_VERSIONS,
        }
    }
}

/// The suites with a source of QEMU 10.1 or later, best first, and then the tested versions. If the user
/// chose suites, only these.
pub(super) fn places(workshop: &Workshop) -> Vec<Place> {
    let known = SUITES.map(str::to_owned).to_vec();
    let suites = workshop.suites(known.clone());
    let tested = (suites == known).then_some(Place::Tested);
    suites.into_iter().map(Place::Suite).chain(tested).collect()
}

/// Debian's tarball of a tested version.
pub(super) fn tested(workshop: &Workshop, each: &Tested) -> Result<SourcePackage, Error> {
    workshop.known_source(PACKAGE, each.debian, each.file(), each.bytes, each.sha256)
}

/// The versions of a place that can be built, the newest first. With `wanted`, only matching versions.
pub(super) fn versions(
    workshop: &Workshop,
    place: &Place,
    wanted: Option<&str>,
) -> Result<Vec<SourcePackage>, Error> {
    let all = match place {
        Place::Suite(suite) => workshop.sources(suite, PACKAGE)?,
        Place::Tested => {
            let tarballs = TESTED.iter().map(|each| tested(workshop, each));
            tarballs.collect::<Result<_, _>>()?
        }
    };
    let newest = all.first().map(|package| package.version().to_owned());
    let fits = |package: &SourcePackage| {
        package.qemu() >= Some(Version::FIRST_WITH_VFIO_USER)
            && wanted.is_none_or(|wanted| package.is_of(wanted))
    };
    let new: Vec<_> = all.into_iter().filter(fits).take(VERSIONS).collect();
    if !new.is_empty() {
        return Ok(new);
    }
    Err(Error::Packages(match (newest, wanted) {
        (Some(version), Some(wanted)) => {
            format!("its newest source of QEMU is {version}, and none is of {wanted}")
        }
        (Some(version), None) => format!(
            "its source of QEMU, {version}, is too old: it needs {} or later",
            Version::FIRST_WITH_VFIO_USER
        ),
        (None, _) => format!("it has no source package {PACKAGE}"),
    }))
}

/// Unpacks Debian's source into `folder` and returns the tree.
pub(super) fn debian(
    workshop: &Workshop,
    package: &SourcePackage,
    folder: &Path,
) -> Result<PathBuf, BuildError> {
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    workshop.unpack_source(package, folder, |_| true)?;
    Ok(top(folder)?)
}

/// Copies the user's tree, or unpacks the user's tarball, into `folder` and returns the tree.
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

/// The only folder in `folder`, or else `folder` itself.
pub(super) fn top(folder: &Path) -> Result<PathBuf, Error> {
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

/// Copies a tree. It keeps links and skips folders of earlier builds.
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
