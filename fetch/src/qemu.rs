//! Finds the QEMU to run.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cache::Cache;
use crate::closure::Closure;
use crate::entry::Entry;
use crate::error::Error;
use crate::host::Platform;
use crate::suites::For;
use crate::version::{Version, is_of};
use crate::workshop::{Wanted, Workshop};
use crate::{host, prune, suites, wrapper};

const ENTRY: &str = "qemu-system";
/// Increment it if the same packages now give other files.
const KEY: &str = "recipe 1";
/// The packages. Both have the same version.
pub(crate) const PACKAGES: [&str; 2] = ["qemu-system-s390x", "qemu-system-x86"];
/// Number of versions to try in one suite.
const VERSIONS: usize = 3;
const DEVICE: &str = "vfio-user-pci";
/// The folder with the start scripts.
const BIN: &str = "bin";

/// The kind of machine a QEMU emulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// `qemu-system-s390x`
    S390x,
    /// `qemu-system-x86_64`
    X86_64,
}

impl Machine {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::S390x, Self::X86_64];

    /// Name of the program.
    pub fn program(self) -> &'static str {
        match self {
            Self::S390x => "qemu-system-s390x",
            Self::X86_64 => "qemu-system-x86_64",
        }
    }

    /// The environment variable that names a program to use.
    pub fn variable(self) -> &'static str {
        match self {
            Self::S390x => "QEMU",
            Self::X86_64 => "QEMU_X86_64",
        }
    }
}

/// The reason for the choice of a QEMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An argument names it.
    Argument,
    /// [`Machine::variable`] names it.
    Environment,
    /// It is the one on `PATH`.
    Path,
    /// It is Debian's, from the cache.
    Cache,
}

/// A QEMU that has `vfio-user-pci`.
#[derive(Clone, Debug)]
pub struct Qemu {
    /// The program to start.
    pub program: PathBuf,
    /// Version of the QEMU.
    pub version: Version,
    /// The reason for its choice.
    pub origin: Origin,
}

impl Qemu {
    /// Finds a QEMU for `machine`. It takes `named`, else the QEMU of [`Machine::variable`], else the one on
    /// `PATH` if it is new enough and has `vfio-user-pci`, else Debian's, which it fetches if it is not in
    /// the cache.
    ///
    /// # Errors
    /// When a named QEMU cannot be used, or fetching fails.
    pub fn find(machine: Machine, named: Option<&Path>, cache: &Cache) -> Result<Self, Error> {
        if let Some(path) = named {
            return given(path, "the argument", Origin::Argument);
        }
        if let Some(value) = std::env::var_os(machine.variable()).filter(|v| !v.is_empty()) {
            return given(Path::new(&value), machine.variable(), Origin::Environment);
        }
        let on_path = std::env::var_os("PATH").and_then(|path| on_path(&path, machine.program()));
        if let Some(program) = on_path
            && let Ok(version) = check(&program)
        {
            return Ok(Self {
                program,
                version,
                origin: Origin::Path,
            });
        }
        fetched(machine, &fetch(cache, None)?)
    }

    /// Debian's QEMU of the version `wanted`, such as 11.1 or 11.1.2. Fetches it if it is not in the cache.
    ///
    /// # Errors
    /// When no suite has it, or fetching fails.
    pub fn of_version(machine: Machine, wanted: &str, cache: &Cache) -> Result<Self, Error> {
        fetched(machine, &fetch(cache, Some(wanted))?)
    }

    /// Debian's QEMU for `machine`, if it is in the cache. Does not use the network.
    pub fn have(machine: Machine, cache: &Cache) -> Option<Self> {
        fetched(machine, &have(cache)?).ok()
    }
}

/// Checks that `program` is a QEMU with `vfio-user-pci`. Returns its version.
///
/// # Errors
/// Says why it cannot be used.
pub fn check_qemu(program: &Path) -> Result<Version, String> {
    check(program)
}

fn given(path: &Path, named_by: &'static str, origin: Origin) -> Result<Qemu, Error> {
    match check(path) {
        Ok(version) => Ok(Qemu {
            program: path.to_path_buf(),
            version,
            origin,
        }),
        Err(reason) => Err(Error::QemuUnsuitable {
            path: path.to_path_buf(),
            named_by,
            reason,
        }),
    }
}

fn on_path(path: &OsStr, program: &str) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// Checks that `program` is a usable QEMU. The error is the reason.
fn check(program: &Path) -> Result<Version, String> {
    let version = Version::parse(&ask(program, &["--version"])?)
        .ok_or_else(|| "its --version is not that of a QEMU".to_owned())?;
    if version < Version::FIRST_WITH_VFIO_USER {
        return Err(format!(
            "it is QEMU {version}; {DEVICE} needs {} or later",
            Version::FIRST_WITH_VFIO_USER
        ));
    }
    let devices = ask(program, &["-device", "help"])?;
    if !devices.contains(&format!("\"{DEVICE}\"")) {
        return Err(format!("QEMU {version}, but built without {DEVICE}"));
    }
    Ok(version)
}

fn ask(program: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let output = command
        .output()
        .map_err(|e| format!("it cannot be started: {e}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "{} ended with {}: {}",
        arguments.join(" "),
        output.status,
        words.trim()
    ))
}

/// The cache entry with Debian's QEMU, if the cache has it.
pub(crate) fn have(cache: &Cache) -> Option<Entry> {
    cache.have_built(ENTRY, KEY, For::Qemu)
}

/// The cache entry with Debian's QEMU for hosts of the architecture `arch`, in Debian's terms. If it is
/// another architecture than this machine's, the QEMU is not started.
pub(crate) fn fetch_for(cache: &Cache, arch: &str) -> Result<(Entry, Vec<PathBuf>), Error> {
    let entry = match host::foreign(arch) {
        None => fetch(cache, None)?,
        Some(platform) => fetch_as(
            cache,
            &format!("{ENTRY}-for-{arch}"),
            None,
            &platform,
            false,
        )?,
    };
    let programs = Machine::ALL.map(|machine| entry.folder().join(BIN).join(machine.program()));
    Ok((entry, programs.to_vec()))
}

/// The cache entry with Debian's QEMU for both machines.
fn fetch(cache: &Cache, wanted: Option<&str>) -> Result<Entry, Error> {
    let entry = wanted.map_or_else(|| ENTRY.to_owned(), |wanted| format!("{ENTRY}-{wanted}"));
    fetch_as(cache, &entry, wanted, &host::platform()?, true)
}

/// The cache entry `entry` with Debian's QEMU of the version `wanted` for `platform`. `runs` says whether
/// this machine can start it.
fn fetch_as(
    cache: &Cache,
    entry: &str,
    wanted: Option<&str>,
    platform: &Platform,
    runs: bool,
) -> Result<Entry, Error> {
    cache.built(entry, KEY, For::Qemu, |workshop| {
        workshop.keep(BIN);
        let what = wanted.map_or_else(|| "QEMU".to_owned(), |wanted| format!("QEMU {wanted}"));
        let mut tries = workshop.tries(format_args!("{what} for {}", platform.arch));
        for suite in workshop.suites(suites::of_qemu()) {
            let versions = match versions(workshop, &suite, platform, wanted) {
                Ok(versions) => versions,
                Err(error) if error.is_local() => return Err(error),
                Err(error) => {
                    tries.failed(&suite, &error);
                    continue;
                }
            };
            for version in versions {
                let candidate = format!("{suite}, QEMU {version}");
                let attempt = || of_version(workshop, &suite, &version, platform, runs);
                if tries.attempt(&candidate, attempt)?.is_some() {
                    workshop.set_suite(&suite);
                    return Ok(());
                }
            }
        }
        Err(tries.nothing_left())
    })
}

/// The usable versions in the lists of `suite`, the newest first.
pub(crate) fn versions(
    workshop: &Workshop,
    suite: &str,
    platform: &Platform,
    wanted: Option<&str>,
) -> Result<Vec<String>, Error> {
    let shelf = workshop.shelf(suite, platform.arch)?;
    let [package, _] = PACKAGES;
    let all = shelf.lists().versions(package);
    let new = all.iter().map(|record| &record.version);
    let new = new.filter(|v| Version::of_package(v) >= Some(Version::FIRST_WITH_VFIO_USER));
    let new = new.filter(|v| wanted.is_none_or(|wanted| is_of(v, wanted)));
    let new: Vec<_> = new.take(VERSIONS).cloned().collect();
    if !new.is_empty() {
        return Ok(new);
    }
    if let (Some(wanted), Some(record)) = (wanted, all.first()) {
        return Err(Error::Packages(format!(
            "it has {}, not version {wanted}",
            record.title()
        )));
    }
    Err(Error::Packages(match all.first() {
        Some(record) => format!(
            "its {} is too old: {DEVICE} needs {} or later",
            record.title(),
            Version::FIRST_WITH_VFIO_USER
        ),
        None => format!("there is no package {package}"),
    }))
}

/// Unpacks this version. If this machine can start it, checks that it runs.
fn of_version(
    workshop: &Workshop,
    suite: &str,
    version: &str,
    platform: &Platform,
    runs: bool,
) -> Result<(), Error> {
    let wanted = PACKAGES.map(|name| Wanted::exactly(name, version));
    let shelf = workshop.shelf(suite, platform.arch)?;
    shelf.unpack(&wanted, Closure::Full, &workshop.root())?;
    slim(&workshop.root())?;
    for machine in Machine::ALL {
        wrapper::write(workshop.folder(), machine.program(), platform)?;
        if !runs {
            continue;
        }
        let program = workshop.folder().join(BIN).join(machine.program());
        check(&program).map_err(|reason| Error::QemuUnsuitable {
            path: program,
            named_by: "Debian",
            reason,
        })?;
    }
    Ok(())
}

/// Removes files that only an installed system needs. Keeps the licences.
fn slim(root: &Path) -> Result<(), Error> {
    prune::keep_only(root, &["usr"])?;
    let usr = root.join("usr");
    prune::remove(
        &usr,
        &[
            "sbin",
            "libexec",
            "share/bug",
            "share/info",
            "share/lintian",
            "share/locale",
            "share/man",
            "share/perl5",
        ],
    )?;
    prune::keep_only(&usr.join("bin"), &Machine::ALL.map(Machine::program))
}

fn fetched(machine: Machine, entry: &Entry) -> Result<Qemu, Error> {
    // The Debian version "1:11.1.3+ds-…" contains QEMU's version. Asking the program would take time.
    let package = "qemu-system-common";
    let version = entry
        .package(package)
        .and_then(|p| Version::of_package(&p.version))
        .ok_or_else(|| Error::Missing {
            packages: entry.folder().display().to_string(),
            expected: package.to_owned(),
            folder: entry.root(),
        })?;
    Ok(Qemu {
        program: entry.folder().join(BIN).join(machine.program()),
        version,
        origin: Origin::Cache,
    })
}

#[cfg(test)]
mod tests;
