//! Checks whether the changes fit the tested versions. It fetches their sources and builds nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use debian_fetch::{Cache, Error as FetchError, For, Workshop};

use super::error::BuildError;
use super::key::key;
use super::source;
use crate::changes::CHANGES;
use crate::tested::{TESTED, Tested};
use crate::tree::Tree;

/// The entry in the cache with the changes that are known to fit.
const ENTRY: &str = "qemu-zpci-check";

/// Fetches the sources of the tested versions and reports that the changes fit each one. If these changes are
/// known to fit, it fetches nothing.
///
/// # Errors
/// A source cannot be fetched, or the changes do not fit it.
pub fn check(cache: &Cache) -> Result<String, BuildError> {
    let key = format!("{}, {}", key(), crate::tested::versions());
    let entry = cache.built(ENTRY, &key, For::Qemu, |workshop| {
        let said: Result<String, BuildError> =
            TESTED.iter().map(|each| fits(workshop, each)).collect();
        let file = workshop.root().join("said");
        fs::write(&file, said?).map_err(FetchError::io("write", &file))?;
        workshop.set_suite(source::TESTED_VERSIONS);
        Ok::<_, BuildError>(())
    })?;
    let file = entry.root().join("said");
    Ok(fs::read_to_string(&file).map_err(FetchError::io("read", &file))?)
}

/// Plans the changes for one version. Unpacks only the files that they touch.
fn fits(workshop: &Workshop, tested: &Tested) -> Result<String, BuildError> {
    let folder = workshop.folder().join(tested.version);
    fs::create_dir_all(&folder).map_err(FetchError::io("create", &folder))?;
    let edits = CHANGES.iter().flat_map(|change| change.edits);
    let files = edits.map(|edit| edit.file).chain(["VERSION"]);
    let files: BTreeSet<&Path> = files.map(Path::new).collect();
    let package = source::tested(workshop, tested)?;
    workshop.unpack_source(&package, &folder, |path| {
        let mut parts = path.components();
        parts.next();
        files.contains(parts.as_path())
    })?;
    let tree = Tree::open(&source::top(&folder)?)?;
    let plan = tree.plan(&CHANGES)?;
    let written: BTreeSet<_> = plan.iter().flat_map(|written| written.keys()).collect();
    Ok(format!(
        "QEMU {}: {} changes fit, in {} files\n",
        tree.version,
        plan.len(),
        written.len()
    ))
}
