//! Builds of the workspace that stay in the cache folder from one run of the tests to the next.
//!
//! Each is a build of a copy of the checkout. The copy stays at one path and keeps the dates of unchanged
//! files, so that cargo builds each state only once, for any checkout.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use debian_fetch::Cache;
use rustix::fs::{FlockOperation, flock};
use rustix::io::retry_on_intr;

use crate::program::repository;

/// Folders of a checkout that no build reads.
const LEFT_OUT: [&str; 4] = ["target", ".git", ".cache", "artifacts"];
/// Largest target folder in bytes. A larger one holds files that no build needs any more.
const MOST: u64 = 4 << 30;

/// A copy of the checkout with a target folder, and the exclusive right to use them.
#[derive(Debug)]
pub struct KeptBuild {
    /// The copy of the repository.
    pub repository: PathBuf,
    /// The target folder beside it.
    pub target: PathBuf,
    /// Lock: one process at a time copies, builds and runs the programs.
    _lock: File,
}

impl KeptBuild {
    /// Opens the build `name` of this checkout in the cache folder, or in this test's target folder if the
    /// cache cannot be written. Waits for another process that uses it.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn open(name: &str) -> io::Result<Self> {
        let place = Path::new("builds").join(name);
        let test = std::env::current_exe()?;
        // TARGET/debug/deps/test
        let target = test.ancestors().nth(3);
        let target = target.ok_or_else(|| io::Error::other("a test without a target folder"))?;
        let cache = Cache::locate().map_err(io::Error::other)?;
        let folders = [cache.folder(), target].map(|folder| folder.join(&place));
        Self::at(&folders, &repository(), &compiler()?)
    }

    /// Opens the build in the first of `folders` that can be written, and makes the copy equal to `checkout`.
    /// If the compiler or the dependencies are others than last time, the target folder is removed.
    ///
    /// # Errors
    /// As [`KeptBuild::open`].
    pub fn at(folders: &[PathBuf], checkout: &Path, compiler: &str) -> io::Result<Self> {
        let (first, others) = folders.split_first().ok_or(io::ErrorKind::NotFound)?;
        let made = Self::in_folder(first, checkout, compiler);
        match made {
            Err(error) if !others.is_empty() => {
                eprintln!("no build is kept in {}: {error}", first.display());
                Self::at(others, checkout, compiler)
            }
            _ => made,
        }
    }

    fn in_folder(folder: &Path, checkout: &Path, compiler: &str) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let lock = File::create(folder.join("lock"))?;
        retry_on_intr(|| flock(&lock, FlockOperation::LockExclusive))?;
        let build = Self {
            repository: folder.join("source"),
            target: folder.join("target"),
            _lock: lock,
        };
        let dependencies = fs::read_to_string(checkout.join("Cargo.lock"))?;
        let (made_of, note) = (
            format!("{compiler}\n{dependencies}"),
            folder.join("made-of"),
        );
        let fits = fs::read_to_string(&note).is_ok_and(|noted| noted == made_of);
        if !fits || size(&build.target)? > MOST {
            remove(&build.target)?;
            fs::write(note, made_of)?;
        }
        mirror(checkout, &build.repository)?;
        Ok(build)
    }

    /// Begins a `cargo` command for the copy and its target folder.
    #[must_use]
    pub fn cargo(&self) -> Command {
        let cargo = std::env::var_os("CARGO");
        self.command(cargo.as_deref().unwrap_or("cargo".as_ref()))
    }

    /// Begins a command that runs `cargo` for the copy and its target folder.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        // The variables of the cargo that runs this test describe this package, not the other one.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_PKG_") {
                command.env_remove(&name);
            }
        }
        command
            .current_dir(&self.repository)
            .env("CARGO_TARGET_DIR", &self.target)
            // Incremental compilation makes a first build longer.
            .env("CARGO_INCREMENTAL", "0")
            .stdin(Stdio::null());
        command
    }
}

/// Returns the name and the version of the compiler.
fn compiler() -> io::Result<String> {
    let output = Command::new("rustc").arg("-vV").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Returns the size of all files below a folder, in bytes; 0 if there is no such folder.
fn size(folder: &Path) -> io::Result<u64> {
    if !folder.is_dir() {
        return Ok(0);
    }
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let data = entry.metadata()?;
        sum += if data.is_dir() {
            size(&entry.path())?
        } else {
            data.len()
        };
    }
    Ok(sum)
}

/// Makes the folder `to` equal to `from`. Equal files are not changed.
fn mirror(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        if LEFT_OUT.iter().any(|left_out| name == *left_out) || !(kind.is_dir() || kind.is_file()) {
            continue;
        }
        let copy = to.join(&name);
        if kind.is_dir() {
            if copy.is_file() {
                fs::remove_file(&copy)?;
            }
            mirror(&entry.path(), &copy)?;
        } else {
            write_if_other(&entry.path(), &copy)?;
        }
        names.insert(name);
    }
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        if !names.contains(&entry.file_name()) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn write_if_other(from: &Path, to: &Path) -> io::Result<()> {
    let (bytes, rights) = (fs::read(from)?, fs::metadata(from)?.permissions());
    let is_equal = to.is_file()
        && fs::read(to)? == bytes
        && fs::metadata(to)?.permissions().mode() == rights.mode();
    if is_equal {
        return Ok(());
    }
    remove(to)?;
    fs::write(to, bytes)?;
    fs::set_permissions(to, rights)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
