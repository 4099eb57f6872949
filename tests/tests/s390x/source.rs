//! Copies the checkout to the cache folder, for the s390x build. The copy stays at one path and keeps the
//! dates of unchanged files, so that cargo builds each state only once, for any checkout.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use debian_fetch::Cache;
use rustix::fs::{FlockOperation, flock};
use rustix::io::retry_on_intr;
use vfio_user_ism_tests::program::repository;

/// Folders of a checkout that neither the build nor the tests for s390x read.
const LEFT_OUT: [&str; 4] = ["target", ".git", ".cache", "artifacts"];

/// The copy, and the exclusive right to use it.
#[derive(Debug)]
pub(crate) struct Source {
    /// The copy of the repository.
    pub(crate) repository: PathBuf,
    /// The target folder beside the copy.
    pub(crate) target: PathBuf,
    /// Lock: one process at a time copies, builds and runs the programs.
    _lock: File,
}

impl Source {
    /// Makes the copy equal to this checkout. Waits for another process that uses it.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub(crate) fn update() -> io::Result<Self> {
        let cache = Cache::locate().map_err(io::Error::other)?;
        let folder = cache.folder().join("s390x");
        fs::create_dir_all(&folder)?;
        let lock = File::create(folder.join("lock"))?;
        retry_on_intr(|| flock(&lock, FlockOperation::LockExclusive))?;
        let source = Self {
            repository: folder.join("source"),
            target: folder.join("target"),
            _lock: lock,
        };
        mirror(&repository(), &source.repository)?;
        Ok(source)
    }
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

#[test]
fn a_copy_follows_its_checkout_and_keeps_the_dates_of_equal_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let put = |name: &str, text: &str| {
        let path = from.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("creates");
        fs::write(path, text).expect("writes");
    };
    put("same", "1");
    put("folder/changed", "1");
    put("folder/gone", "1");
    put("was-file", "1");
    put("target/debug/big", "1");
    mirror(&from, &to).expect("copies");
    let date = |name: &str| fs::metadata(to.join(name)).and_then(|file| file.modified());
    let (same, changed) = (date("same").expect("a date"), date("folder/changed"));
    assert!(!to.join("target").exists());

    std::thread::sleep(std::time::Duration::from_millis(20));
    put("same", "1");
    put("folder/changed", "2");
    fs::remove_file(from.join("folder/gone")).expect("removes");
    fs::remove_file(from.join("was-file")).expect("removes");
    put("was-file/inner", "1");
    mirror(&from, &to).expect("copies");
    assert_eq!(date("same").expect("a date"), same);
    assert_ne!(
        date("folder/changed").expect("a date"),
        changed.expect("a date")
    );
    assert_eq!(fs::read(to.join("folder/changed")).expect("reads"), b"2");
    assert!(!to.join("folder/gone").exists());
    assert!(to.join("was-file/inner").is_file());
}
