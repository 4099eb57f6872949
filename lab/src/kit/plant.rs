//! A module with planted faults (`lab/guest/plant/`). Tests use it to check that the lab finds kernel
//! reports. It is built with the kernel's modules, and again when its source changes.

use std::path::Path;

use debian_fetch::Steps;

use super::error::KitError;
use super::folder::{copy, write, write_sources};
use super::hash::hash;
use super::target::TRIPLET;

/// The source's files.
const SOURCES: [(&str, &str); 2] = [
    ("Makefile", include_str!("../../guest/plant/Makefile")),
    ("plant.c", include_str!("../../guest/plant/plant.c")),
];
/// Path of the module in an entry.
pub(super) const MODULE: &str = "plant.ko";
/// The file beside the module with the hash of its source.
pub(super) const OF: &str = "plant.source";

/// Builds the module in `folder` into `root`. `make` calls the kernel's make.
pub(super) fn build(
    folder: &Path,
    root: &Path,
    make: impl FnOnce(&[&str]) -> Result<(), KitError>,
) -> Result<(), KitError> {
    write_sources(folder, &SOURCES)?;
    make(&[&format!("M={}", folder.display()), "modules"])?;
    copy(&folder.join(MODULE), &root.join(MODULE))?;
    write(&root.join(OF), key())
}

/// The same for one of Debian's kernels, against its `headers`.
pub(super) fn against(
    steps: &Steps,
    headers: &Path,
    folder: &Path,
    root: &Path,
) -> Result<(), KitError> {
    let what = "building the module with planted faults";
    build(folder, root, |words| {
        let headers = headers.display().to_string();
        steps.run(what, "make", ["-C", &headers].iter().chain(words))?;
        Ok(())
    })?;
    let strip = format!("{TRIPLET}-strip");
    let module = root.join(MODULE);
    Ok(steps.run(what, &strip, ["--strip-debug".as_ref(), module.as_os_str()])?)
}

/// The hash of the source.
pub(super) fn key() -> String {
    let texts = SOURCES.iter().flat_map(|(name, text)| [*name, *text]);
    format!("plant {:016x}", hash(texts))
}
