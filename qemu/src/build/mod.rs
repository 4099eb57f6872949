//! Builds a QEMU with the changes, once, into the cache.
//!
//! - `tools`: the compiler and its like, unpacked from Debian's packages;
//! - `source`: the tree to build: Debian's source package, or one that the user has;
//! - `check`: whether the changes fit the tested versions, without a build.

mod check;
mod error;
mod key;
mod source;
mod tools;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use debian_fetch::{
    Cache, Entry, Error as FetchError, For, Machine, Part, Source, Steps, Version, Workshop,
    check_qemu, keep_qemu,
};

use crate::changes::CHANGES;
use crate::tree::{Tree, TreeError};
pub use check::check;
pub use error::BuildError;
use key::key;
use tools::Tools;

/// Name of the entry in the cache, and the word for this QEMU on a command line.
const ENTRY: &str = "qemu-zpci";
/// Arguments of configure: one machine, and few other parts.
const CONFIGURE: [&str; 13] = [
    "--target-list=s390x-softmmu",
    "--without-default-features",
    "--enable-tcg",
    "--enable-kvm",
    "--enable-plugins",
    "--enable-pixman",
    "--enable-fdt=system",
    "--disable-docs",
    "--disable-tools",
    "--disable-install-blobs",
    "--disable-debug-info",
    "--disable-werror",
    // QEMU must not download missing parts of the tree.
    "--disable-download",
];
/// The firmware that every s390x machine loads.
const FIRMWARE: &str = "s390-ccw.img";

/// The QEMU with the changes, from the cache or built now. `version` selects its version.
///
/// # Errors
/// No source can be had, or none can be built.
pub fn program(cache: &Cache, version: Option<&str>) -> Result<PathBuf, BuildError> {
    Ok(started_by(&entry(cache, version, None)?))
}

/// The QEMU with the changes, if it is in the cache. Does not use the network.
pub fn have(cache: &Cache) -> Option<PathBuf> {
    let entry = cache.have_built(ENTRY, &key(), For::Qemu)?;
    Some(started_by(&entry))
}

/// The same as [`program`], for the command `fetch`. With `source`, it builds that source again.
///
/// # Errors
/// As [`program`].
pub fn part(
    cache: &Cache,
    version: Option<&str>,
    source: Option<&Path>,
) -> Result<Part, BuildError> {
    let entry = match source {
        Some(_) => entry(&cache.clone().renewed(), version, source)?,
        None => entry(cache, version, None)?,
    };
    let version = entry.root().join("version");
    let version = fs::read_to_string(&version).map_err(FetchError::io("read", &version))?;
    Ok(Part {
        title: format!("QEMU {version} with the zPCI changes"),
        files: vec![started_by(&entry)],
        source: Source::of(&entry),
    })
}

fn started_by(entry: &Entry) -> PathBuf {
    entry.folder().join("bin").join(Machine::S390x.program())
}

fn entry(cache: &Cache, wanted: Option<&str>, own: Option<&Path>) -> Result<Entry, BuildError> {
    let name = wanted.map_or_else(|| ENTRY.to_owned(), |wanted| format!("{ENTRY}-{wanted}"));
    cache.built(&name, &key(), For::Qemu, |workshop| {
        let folder = workshop.folder();
        if folder
            .to_string_lossy()
            .contains(|c: char| c.is_whitespace() || c == ':')
        {
            return Err(BuildError::Place(folder.to_path_buf()));
        }
        let work = Work {
            workshop,
            name: &name,
            logs: cache.folder().join("logs"),
        };
        if let Some(own) = own {
            let tree = source::own(own, &folder.join("source"))?;
            workshop.set_suite("an own source");
            return work.build(&tree);
        }
        work.first(wanted)
    })
}

/// The build of one entry.
struct Work<'a> {
    workshop: &'a Workshop,
    name: &'a str,
    logs: PathBuf,
}

impl Work<'_> {
    /// Builds the first source that works. It tries the newest source of the suites' lists first, then the
    /// tested versions. If the user wants a version, the tested versions come first.
    fn first(&self, wanted: Option<&str>) -> Result<(), BuildError> {
        let what = wanted.map_or_else(String::new, |wanted| format!(" {wanted}"));
        let mut tries = self
            .workshop
            .tries(format_args!("the source of QEMU{what}"));
        let mut places = source::places(self.workshop);
        if wanted.is_some() {
            places.rotate_right(1);
        }
        for place in places {
            let packages = match source::versions(self.workshop, &place, wanted) {
                Ok(packages) => packages,
                Err(error) if error.is_local() => return Err(error.into()),
                Err(error) => {
                    tries.failed(place.name(), &error);
                    continue;
                }
            };
            for package in packages {
                let candidate = format!("{}, QEMU {}", place.name(), package.version());
                let attempt = || {
                    let unpacked = self.workshop.folder().join("source");
                    let tree = source::debian(self.workshop, &package, &unpacked)?;
                    self.build(&tree)
                };
                if tries.attempt(&candidate, attempt)?.is_some() {
                    self.workshop.set_suite(place.name());
                    return Ok(());
                }
            }
        }
        Err(tries.nothing_left().into())
    }

    /// Changes the tree, builds it, and keeps the files that a start needs.
    fn build(&self, tree: &Path) -> Result<(), BuildError> {
        let workshop = self.workshop;
        let version = change(tree)?;
        workshop.say(format_args!("QEMU {version} has the changes now"));
        let tools = Tools::unpack(workshop, tree)?;
        let programs = Some(tools.programs.clone());
        let steps = Steps::new(workshop, programs, &self.logs, self.name, 2)?;
        let build = workshop.folder().join("build");
        fs::create_dir_all(&build).map_err(FetchError::io("create", &build))?;
        steps.begin("configuring QEMU");
        let mut arguments: Vec<OsString> = vec![tree.join("configure").into()];
        arguments.extend(CONFIGURE.iter().map(OsString::from));
        arguments.extend(tools.configure());
        steps.run_in(&build, "configuring QEMU", "sh", arguments)?;
        steps.begin("building QEMU");
        let program = Machine::S390x.program();
        steps.run_in(&build, "building QEMU", "ninja", [program])?;

        workshop.keep("bin");
        let kept = keep_qemu(&tools.root, &build.join(program), workshop.folder())?;
        let root = workshop.root();
        firmware(tree, &tools.root, &root)?;
        let file = root.join("version");
        fs::write(&file, &version).map_err(FetchError::io("write", &file))?;
        let runs = check_qemu(&kept).map_err(BuildError::Unfit)?;
        if Version::FIRST_WITH_VFIO_USER > runs {
            return Err(BuildError::Unfit(format!("it is QEMU {runs}")));
        }
        Ok(())
    }
}

/// Applies the changes unless the tree has them. Returns the tree's version.
fn change(root: &Path) -> Result<String, BuildError> {
    let tree = Tree::open(root)?;
    match tree.plan(&CHANGES) {
        Ok(plan) => {
            for written in &plan {
                tree.write(written)?;
            }
        }
        Err(TreeError::Applied { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    // This file would compile device trees of other machines. Debian's source lacks them.
    let others = root.join("pc-bios/dtb/meson.build");
    if others.exists() {
        fs::write(&others, "").map_err(FetchError::io("write", &others))?;
    }
    Ok(tree.version)
}

/// Puts the firmware where the script that starts QEMU searches: the tree's firmware, or else Debian's.
fn firmware(tree: &Path, tools: &Path, root: &Path) -> Result<(), BuildError> {
    let places = [tree.join("pc-bios"), tools.join("usr/share/qemu")];
    let found = places.iter().map(|place| place.join(FIRMWARE));
    let found = found.clone().find(|path| path.is_file());
    let found = found.ok_or_else(|| FetchError::Missing {
        packages: "qemu-system-data".to_owned(),
        expected: FIRMWARE.to_owned(),
        folder: tools.to_path_buf(),
    })?;
    let data = root.join("usr/share/qemu");
    fs::create_dir_all(&data).map_err(FetchError::io("create", &data))?;
    fs::copy(&found, data.join(FIRMWARE)).map_err(FetchError::io("copy", &found))?;
    Ok(())
}
