//! Which QEMU to run.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cache::Cache;
use crate::entry::{self, Entry};
use crate::error::Error;
use crate::host::Platform;
use crate::request::{Closure, Request};
use crate::version::Version;
use crate::{host, prune, wrapper};

const SUITE: &str = "trixie-backports";
const DEVICE: &str = "vfio-user-pci";

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

    /// The program's name.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::S390x => "qemu-system-s390x",
            Self::X86_64 => "qemu-system-x86_64",
        }
    }

    /// The environment variable that names a program to use.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Self::S390x => "QEMU",
            Self::X86_64 => "QEMU_X86_64",
        }
    }
}

/// Why this QEMU was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was named by an argument.
    Argument,
    /// It was named by [`Machine::variable`].
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
    /// Its version.
    pub version: Version,
    /// Why it was taken.
    pub origin: Origin,
}

impl Qemu {
    /// Finds a QEMU for `machine`: `named`, else the one [`Machine::variable`] names, else the one
    /// on `PATH` if it is new enough and has `vfio-user-pci`, else Debian's, fetched if need be.
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
        fetched(machine, &fetch(cache)?)
    }
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

/// Whether `program` is a QEMU that can be used; if not, why.
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

fn request(platform: &Platform) -> Request {
    Request {
        name: "qemu".to_owned(),
        suite: SUITE.to_owned(),
        arch: platform.arch.to_owned(),
        packages: ["qemu-system-s390x", "qemu-system-x86"]
            .map(str::to_owned)
            .to_vec(),
        metas: Vec::new(),
        closure: Closure::Full,
    }
}

/// The cache entry with Debian's QEMU, if it was fetched before.
pub(crate) fn have(cache: &Cache) -> Option<Entry> {
    cache.have(&request(&host::platform().ok()?))
}

/// The cache entry with Debian's QEMU for both machines.
fn fetch(cache: &Cache) -> Result<Entry, Error> {
    let platform = host::platform()?;
    cache.packages_with(&request(&platform), |folder| {
        slim(&entry::root(folder))?;
        for machine in Machine::ALL {
            wrapper::write(folder, machine.program(), &platform)?;
            let program = folder.join("bin").join(machine.program());
            check(&program).map_err(|reason| Error::QemuUnsuitable {
                path: program,
                named_by: "Debian",
                reason,
            })?;
        }
        Ok(())
    })
}

/// Drops what came along for an installed system only; the licences stay.
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
    // The debian version "1:11.1.3+ds-…" says which one it is; asking it would cost time.
    let package = "qemu-system-common";
    let version = entry
        .package(package)
        .and_then(|p| of_package(&p.version))
        .ok_or_else(|| Error::Missing {
            packages: entry.folder().display().to_string(),
            expected: package.to_owned(),
            folder: entry.root(),
        })?;
    Ok(Qemu {
        program: entry.folder().join("bin").join(machine.program()),
        version,
        origin: Origin::Cache,
    })
}

fn of_package(version: &str) -> Option<Version> {
    let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
    let number = upstream.split(['+', '-', '~']).next()?;
    Version::parse(&format!("QEMU emulator version {number}"))
}

#[cfg(test)]
mod tests;
