//! From packages to a finished entry of the cache: a kernel with ism, and smc where it can be had.
//!
//! The modules are built against the kernel's headers package, as any external module, so its
//! options stay Debian's; what is switched on for a module is told to its compiler alone.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use debian_fetch::{Cache, Closure, Entry, Error, Shelf, Workshop, make_startable, native_arch};

use super::KitError;
use super::choice::Series;
use super::folder::{files, folders};
use super::make::Steps;
use super::packages::{self, Names};
use super::target::{self, Target};
use super::{kept, tool};

/// Raise it when what is built from the same packages becomes another.
const RECIPE: u32 = 2;

/// The entry of `series`, from the cache or built now.
pub(super) fn entry(cache: &Cache, series: Series) -> Result<Entry, KitError> {
    let key = format!("recipe {RECIPE}");
    cache.built(series.entry(), &key, |workshop| {
        // Says what is wrong before anything is downloaded.
        check_place(workshop.folder())?;
        let mut tried = Vec::new();
        for suite in series.suites() {
            match build(cache, workshop, series, suite) {
                Ok(()) => return Ok(()),
                // On any day a suite may be out of order; the next one serves as well.
                Err(error) => {
                    let words = format!("{suite}: {error}");
                    workshop.say(&words);
                    tried.push(words);
                    workshop.clear()?;
                }
            }
        }
        Err(KitError::Fetch(Error::NoSuite {
            what: series.entry().to_owned(),
            tried: tried.join("\n"),
        }))
    })
}

fn check_place(folder: &Path) -> Result<(), KitError> {
    let text = folder.to_string_lossy();
    if text.contains(|c: char| c.is_whitespace() || c == ':') {
        return Err(KitError::Place {
            path: folder.to_path_buf(),
        });
    }
    Ok(())
}

/// The folders of a build.
struct Place {
    /// What is for the guest: kernel, headers, source.
    guest: PathBuf,
    /// What runs here: compiler and kbuild.
    tools: PathBuf,
    /// Where modules are built.
    build: PathBuf,
    /// What is kept.
    root: PathBuf,
}

fn build(cache: &Cache, workshop: &Workshop, series: Series, suite: &str) -> Result<(), KitError> {
    // Both lists first: with one of them refused, the other is of no use.
    let guest = workshop.shelf(suite, packages::ARCH, Closure::Named)?;
    let native = workshop.shelf(suite, native_arch()?, Closure::Full)?;
    let names = Names::find(|name| guest.depends(name))?;
    let place = Place {
        guest: workshop.folder().join("guest"),
        tools: workshop.folder().join("tools"),
        build: workshop.folder().join("build"),
        root: workshop.root(),
    };
    unpack(&guest, &native, &names, &place)?;
    make_startable(&place.tools)?;

    let targets = target::targets(series);
    let programs = place.tools.join("usr/bin");
    let logs = cache.folder().join("logs");
    let all = targets.len() + 3;
    let steps = Steps::new(workshop, Some(programs), &logs, series.entry(), all)?;
    let headers = headers(&place, &names)?;
    steps.begin("taking the drivers out of the kernel's source");
    let source = sources(&steps, &place, targets)?;
    for target in targets {
        steps.begin(&format!("building {}", target.folder));
        target::build(&steps, target, &source, &headers, &place.build)?;
    }
    steps.begin("choosing modules");
    let programs = place.tools.join("usr/bin");
    kept::keep(&place.guest, &programs, &place.build, targets, &place.root)?;
    steps.begin("building the guest tool");
    tool::compile(&steps, &names.compiler, &place.build, &place.root)
}

fn unpack(guest: &Shelf, native: &Shelf, names: &Names, place: &Place) -> Result<(), KitError> {
    let mut got = guest.unpack(&names.guest, &place.guest)?;
    got.extend(native.unpack(&names.tools, &place.tools)?);
    packages::same_version(&got)
}

/// Makes the headers package usable where it is unpacked, and gives its folder.
fn headers(place: &Place, names: &Names) -> Result<PathBuf, KitError> {
    let src = place.guest.join("usr/src");
    let kbuild = place.tools.join("usr/lib").join(&names.kbuild);
    let mut found = None;
    for folder in folders(&src)? {
        for part in ["scripts", "tools"] {
            // They lead to kbuild's folder, which on this machine is in the other root.
            let link = folder.join(part);
            fs::remove_file(&link).map_err(KitError::io("remove", &link))?;
            symlink(kbuild.join(part), &link).map_err(KitError::io("link", &link))?;
        }
        if folder.join("Module.symvers").is_file() {
            let makefile = folder.join("Makefile");
            let text = fs::read_to_string(&makefile).map_err(KitError::io("read", &makefile))?;
            let text = text.replace("/usr/src/", &format!("{}/", src.display()));
            fs::write(&makefile, text).map_err(KitError::io("write", &makefile))?;
            found = Some(folder);
        }
    }
    found.ok_or_else(|| KitError::Missing {
        what: "Module.symvers".to_owned(),
        folder: src,
    })
}

/// Unpacks the targets' folders of the kernel's source, and gives the folder above them.
fn sources(steps: &Steps, place: &Place, targets: &[Target]) -> Result<PathBuf, KitError> {
    let src = place.guest.join("usr/src");
    let names = files(&src)?;
    let archive = names
        .iter()
        .find_map(|path| {
            let name = path.file_name()?.to_str()?;
            Some((path, name.strip_suffix(".tar.xz")?))
        })
        .ok_or_else(|| KitError::Missing {
            what: "linux-source-*.tar.xz".to_owned(),
            folder: src.clone(),
        })?;
    let (archive, top) = archive;
    let unpacked = place.build.join("source");
    fs::create_dir_all(&unpacked).map_err(KitError::io("create", &unpacked))?;
    let xz = place.tools.join("usr/bin/xz");
    let mut arguments = vec![
        format!("--use-compress-program={}", xz.display()),
        "-xf".to_owned(),
        archive.display().to_string(),
        "-C".to_owned(),
        unpacked.display().to_string(),
    ];
    let mut wanted: Vec<_> = targets
        .iter()
        .map(|t| format!("{top}/{}", t.source))
        .collect();
    wanted.dedup();
    arguments.extend(wanted);
    steps.run(
        "taking the drivers out of the kernel's source",
        "tar",
        arguments,
    )?;
    // 150 MB that nothing needs any more.
    fs::remove_file(archive).map_err(KitError::io("remove", archive))?;
    Ok(unpacked.join(top))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_make_refuses_is_told_before_anything_is_downloaded() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("my cache"));
        let error = entry(&cache, Series::Linux612).unwrap_err();
        assert!(error.to_string().contains("my cache"), "{error}");
        assert!(!cache.folder().join("apt").exists());
    }
}
