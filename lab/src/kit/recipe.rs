//! Makes a cache entry from packages: a kernel with ism, and with smc if possible.
//!
//! The modules are built against the kernel's headers package, as any external module, so its
//! options stay Debian's; what is switched on for a module is told to its compiler alone.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use debian_fetch::{
    BUSYBOX, Cache, Closure, Entry, For, GUEST_ARCH, Kernel, KernelPackages, Series, Steps, Wanted,
    Workshop, compiler_packages, make_startable, native_arch, untar,
};

use super::error::KitError;
use super::folder::{create, files, folders, read, write};
use super::target::{self, FOLDERS, Kind, TRIPLET};
use super::{kept, plant, tool};

/// Increment it if the same packages now give another entry.
const RECIPE: u32 = 3;

/// Prefix of the names of the entries.
const ENTRY: &str = "lab-linux-";

/// Whether `entry` is a kernel, as this version builds them.
pub(super) fn is_kernel(entry: &Entry) -> bool {
    entry.name().starts_with(ENTRY) && entry.key() == key()
}

fn key() -> String {
    format!("recipe {RECIPE}")
}

/// The entry of `series`, from the cache or built now.
pub(super) fn entry(cache: &Cache, series: Series) -> Result<Entry, KitError> {
    let key = key();
    let name = format!("{ENTRY}{series}");
    cache.built(&name, &key, For::Lab, |workshop| {
        // Reports this error before any download.
        check_place(workshop.folder())?;
        let logs = cache.folder().join("logs");
        workshop.with_kernel(&[series], |kernel| build(workshop, kernel, &logs, &name))
    })
}

pub(super) fn check_place(folder: &Path) -> Result<(), KitError> {
    let text = folder.to_string_lossy();
    if text.contains(|c: char| c.is_whitespace() || c == ':') {
        return Err(KitError::Place {
            path: folder.to_path_buf(),
        });
    }
    Ok(())
}

/// The release of the kernel in `entry`.
pub(super) fn release(entry: &Entry) -> Result<String, KitError> {
    let path = entry.root().join(kept::RELEASE);
    Ok(read(&path)?.trim().to_owned())
}

/// The folders of a build.
struct Place {
    /// The guest's packages: kernel, headers, source.
    guest: PathBuf,
    /// The packages for this machine: compiler and kbuild.
    tools: PathBuf,
    /// The folder where modules are built.
    build: PathBuf,
    /// The folder of the kept files.
    root: PathBuf,
}

impl Place {
    fn of(workshop: &Workshop) -> Self {
        Self {
            guest: workshop.folder().join("guest"),
            tools: workshop.folder().join("tools"),
            build: workshop.folder().join("build"),
            root: workshop.root(),
        }
    }
}

fn build(workshop: &Workshop, kernel: &Kernel, logs: &Path, name: &str) -> Result<(), KitError> {
    let packages = kernel.packages()?;
    let place = Place::of(workshop);
    let mut wanted = packages.image.clone();
    wanted.extend(packages.headers.iter().chain([&packages.source]).cloned());
    let mut wanted: Vec<_> = wanted.iter().map(|name| kernel.wanted(name)).collect();
    wanted.push(Wanted::any(BUSYBOX));
    unpack(workshop, kernel, &packages, &wanted, &place)?;

    let source = sources(&place)?;
    let targets = target::targets(Kind::of(&source));
    let programs = place.tools.join("usr/bin");
    let all = targets.len() + 3;
    let steps = Steps::new(workshop, Some(programs), logs, name, all)?;
    let headers = headers(&place, &packages.kbuild)?;
    for target in targets {
        steps.begin(&format!("building {}", target.folder));
        target::build(&steps, target, &source, &headers, &place.build)?;
    }
    steps.begin("building the module with planted faults");
    plant::against(&steps, &headers, &place.build.join("plant"), &place.root)?;
    steps.begin("choosing modules");
    kept::keep(&place.guest, &place.build, targets, &place.root)?;
    steps.begin("building the guest tool");
    let compiler = format!("{TRIPLET}-{}", packages.gcc);
    tool::compile(&steps, &compiler, &place.build, &place.root)
}

/// Builds only the module with planted faults.
pub(super) fn plant_alone(
    workshop: &Workshop,
    kernel: &Kernel,
    logs: &Path,
    name: &str,
) -> Result<(), KitError> {
    let packages = kernel.packages()?;
    let place = Place::of(workshop);
    let wanted = packages.headers.iter().map(|name| kernel.wanted(name));
    let wanted: Vec<_> = wanted.collect();
    unpack(workshop, kernel, &packages, &wanted, &place)?;
    let programs = place.tools.join("usr/bin");
    let steps = Steps::new(workshop, Some(programs), logs, name, 1)?;
    steps.begin("building the module with planted faults");
    let headers = headers(&place, &packages.kbuild)?;
    plant::against(&steps, &headers, &place.build.join("plant"), &place.root)
}

/// Unpacks the packages `wanted` for the guest, and the tools for this machine. Every package of the kernel
/// must have the kernel's version, or modules would not fit.
fn unpack(
    workshop: &Workshop,
    kernel: &Kernel,
    packages: &KernelPackages,
    wanted: &[Wanted],
    place: &Place,
) -> Result<(), KitError> {
    // Reads both lists first: if one is refused, the other is useless.
    let guest = workshop.shelf(kernel.suite(), GUEST_ARCH)?;
    let native = workshop.shelf(kernel.suite(), native_arch()?)?;
    let mut tools = compiler_packages(&packages.gcc);
    tools.push(Wanted::any("make"));
    tools.push(kernel.wanted(&packages.kbuild));
    guest.unpack(wanted, Closure::Named, &place.guest)?;
    native.unpack(&tools, Closure::Full, &place.tools)?;
    make_startable(&place.tools)?;
    Ok(())
}

/// Makes the headers package usable in its folder. Returns that folder.
fn headers(place: &Place, kbuild: &str) -> Result<PathBuf, KitError> {
    let src = place.guest.join("usr/src");
    let kbuild = place.tools.join("usr/lib").join(kbuild);
    let mut found = None;
    for folder in folders(&src)? {
        for part in ["scripts", "tools"] {
            // The links lead to kbuild's folder. For this machine, it is in the other root.
            let link = folder.join(part);
            fs::remove_file(&link).map_err(KitError::io("remove", &link))?;
            symlink(kbuild.join(part), &link).map_err(KitError::io("link", &link))?;
        }
        if folder.join("Module.symvers").is_file() {
            let makefile = folder.join("Makefile");
            let text = read(&makefile)?;
            let text = text.replace("/usr/src/", &format!("{}/", src.display()));
            write(&makefile, text)?;
            found = Some(folder);
        }
    }
    found.ok_or_else(|| KitError::Missing {
        what: "Module.symvers".to_owned(),
        folder: src,
    })
}

/// Unpacks the drivers' folders of the kernel's source. Returns the folder above them.
fn sources(place: &Place) -> Result<PathBuf, KitError> {
    let (archive, top) = tarball(&place.guest)?;
    let unpacked = place.build.join("source");
    create(&unpacked)?;
    let wanted = |path: &Path| {
        let inner = path.strip_prefix(&top);
        inner.is_ok_and(|inner| FOLDERS.iter().any(|folder| inner.starts_with(folder)))
    };
    untar(&archive, &unpacked, wanted)?;
    // These are 150 MB that no later step needs.
    fs::remove_file(&archive).map_err(KitError::io("remove", &archive))?;
    Ok(unpacked.join(top))
}

/// The tarball with the kernel's source among the packages in `guest`, and the name of its folder.
pub(super) fn tarball(guest: &Path) -> Result<(PathBuf, String), KitError> {
    let src = guest.join("usr/src");
    let found = files(&src)?.into_iter().find_map(|path| {
        let name = path.file_name()?.to_str()?;
        let top = name.strip_suffix(".tar.xz")?.to_owned();
        Some((path, top))
    });
    found.ok_or_else(|| KitError::Missing {
        what: "linux-source-*.tar.xz".to_owned(),
        folder: src,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_make_refuses_is_told_before_anything_is_downloaded() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("my cache"));
        let error = entry(&cache, Series::LINUX_6_12).unwrap_err();
        assert!(error.to_string().contains("my cache"), "{error}");
        assert!(!cache.folder().join("downloads").exists());
    }
}
