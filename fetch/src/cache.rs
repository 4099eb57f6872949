//! The cache folder: one entry for each set of packages, made once, under a lock.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::apt::Apt;
use crate::entry::{self, Entry};
use crate::error::Error;
use crate::progress::Progress;
use crate::prune;
use crate::request::Request;
use crate::size;
use crate::workshop::Workshop;

/// A folder that keeps what was fetched.
///
/// Several processes may use it at once: an entry appears whole or not at all, and one process at
/// a time makes entries while the others wait.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// `$VFIO_USER_ISM_CACHE`, else `$XDG_CACHE_HOME/vfio-user-ism`, else
    /// `~/.cache/vfio-user-ism`. Nothing is created yet.
    ///
    /// # Errors
    /// [`Error::NoCacheFolder`] when none of the variables is set.
    pub fn locate() -> Result<Self, Error> {
        let set = |name: &str| {
            let value = std::env::var_os(name)?;
            (!value.is_empty()).then(|| PathBuf::from(value))
        };
        let folder = place(
            set("VFIO_USER_ISM_CACHE"),
            set("XDG_CACHE_HOME"),
            set("HOME"),
        )
        .ok_or(Error::NoCacheFolder)?;
        // apt's configuration and QEMU's wrappers are used from other working folders.
        let folder = std::path::absolute(&folder).map_err(Error::io("use", &folder))?;
        Ok(Self { folder })
    }

    /// A cache at `folder`, which must be absolute.
    #[must_use]
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// The cache's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The entry for `request`, if it was fetched before; asks no network.
    #[must_use]
    pub fn have(&self, request: &Request) -> Option<Entry> {
        Entry::open(&self.entry_folder(request), request)
    }

    /// The packages of `request`, unpacked: from the cache, or fetched now.
    ///
    /// # Errors
    /// When a folder cannot be written, a tool or a mirror is missing, or apt refuses: then with
    /// apt's own words.
    pub fn packages(&self, request: &Request) -> Result<Entry, Error> {
        self.packages_with(request, |_| Ok(()))
    }

    /// As [`Cache::packages`]; `finish` works on the new entry's folder before it appears.
    pub(crate) fn packages_with(
        &self,
        request: &Request,
        finish: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<Entry, Error> {
        if let Some(entry) = self.have(request) {
            return Ok(entry);
        }
        let progress = Progress::new(&request.name);
        let _lock = self.lock(&progress)?;
        // Another process may have made it while this one waited.
        if let Some(entry) = self.have(request) {
            return Ok(entry);
        }
        self.make(request, &progress, finish)
    }

    /// What `make` builds, from the cache or built now: kept under `name` for as long as it is
    /// asked for with the same `key`, which says what it is built from. It appears whole or not at
    /// all.
    ///
    /// # Errors
    /// Those of `make`, and when a folder cannot be written.
    pub fn built<E: From<Error>>(
        &self,
        name: &str,
        key: &str,
        make: impl FnOnce(&Workshop) -> Result<(), E>,
    ) -> Result<Entry, E> {
        let folder = self.folder.join("entries").join(name);
        let key = key.to_owned();
        if let Some(entry) = Entry::open(&folder, &key) {
            return Ok(entry);
        }
        let started = Instant::now();
        let progress = Progress::new(name);
        let _lock = self.lock(&progress)?;
        // Another process may have made it while this one waited.
        if let Some(entry) = Entry::open(&folder, &key) {
            return Ok(entry);
        }
        let workshop = Workshop::new(self, name, progress)?;
        make(&workshop)?;
        let entry = workshop.seal(&folder, &key)?;
        Progress::new(name).say(format_args!(
            "ready after {:.1} s, {} on disk",
            started.elapsed().as_secs_f64(),
            size::text(entry.bytes_unpacked())
        ));
        Ok(entry)
    }

    /// What was built under `name` with `key`, if it was; asks no network.
    #[must_use]
    pub fn have_built(&self, name: &str, key: &str) -> Option<Entry> {
        Entry::open(&self.folder.join("entries").join(name), &key.to_owned())
    }

    fn make(
        &self,
        request: &Request,
        progress: &Progress,
        finish: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<Entry, Error> {
        let started = Instant::now();
        let apt = Apt::new(&self.folder.join("apt"), request)?;
        apt.update(progress)?;
        let names = apt.names()?;
        let packages = apt.resolve(&names)?;
        let folder = self.entry_folder(request);
        progress.say(format_args!(
            "{} package(s), {} to download, for {}",
            packages.len(),
            size::text(packages.iter().map(|p| p.bytes).sum()),
            folder.display()
        ));
        apt.download(&names, progress)?;
        let partial = folder.with_file_name(format!("{}.partial", request.name));
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(Error::io("remove", &partial))?;
        }
        let root = entry::root(&partial);
        apt.unpack(&packages, &root, progress)?;
        prune::plain_rights(&root)?;
        finish(&partial)?;
        apt.clean(&packages)?;
        let entry = Entry::seal(&partial, &folder, request, packages)?;
        progress.say(format_args!(
            "ready after {:.1} s, {} on disk",
            started.elapsed().as_secs_f64(),
            size::text(entry.bytes_unpacked())
        ));
        Ok(entry)
    }

    fn entry_folder(&self, request: &Request) -> PathBuf {
        self.folder.join("entries").join(&request.name)
    }

    /// Waits for the right to make entries; it is given back when the file is dropped.
    fn lock(&self, progress: &Progress) -> Result<File, Error> {
        fs::create_dir_all(&self.folder).map_err(Error::io("create", &self.folder))?;
        let path = self.folder.join("lock");
        let file = File::create(&path).map_err(Error::io("open", &path))?;
        let failed = |errno: Errno| Error::io("lock", &path)(errno.into());
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK) => {}
            Err(other) => return Err(failed(other)),
        }
        progress.say(format_args!(
            "waiting for another process that fetches into {}",
            self.folder.display()
        ));
        loop {
            match flock(&file, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(file),
                Err(Errno::INTR) => {}
                Err(other) => return Err(failed(other)),
            }
        }
    }
}

fn place(own: Option<PathBuf>, xdg: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    let name = "vfio-user-ism";
    own.or_else(|| xdg.map(|folder| folder.join(name)))
        .or_else(|| home.map(|folder| folder.join(".cache").join(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Closure;

    #[test]
    fn the_most_specific_variable_wins() {
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(place(path("/a"), path("/b"), path("/c")), path("/a"));
        assert_eq!(
            place(None, path("/b"), path("/c")),
            path("/b/vfio-user-ism")
        );
        assert_eq!(
            place(None, None, path("/c")),
            path("/c/.cache/vfio-user-ism")
        );
        assert_eq!(place(None, None, None), None);
    }

    #[test]
    fn a_present_entry_is_used_without_asking_apt() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        let request = Request {
            name: "toy".into(),
            // No mirror has it, so asking would fail.
            suite: "no-such-suite".into(),
            arch: "s390x".into(),
            packages: vec!["toy".into()],
            metas: vec![],
            closure: Closure::Named,
        };
        assert!(cache.have(&request).is_none());
        let partial = dir.path().join("partial");
        fs::create_dir_all(partial.join("root")).unwrap();
        fs::create_dir_all(dir.path().join("entries")).unwrap();
        let folder = cache.entry_folder(&request);
        Entry::seal(&partial, &folder, &request, vec![]).unwrap();
        assert!(!cache.packages(&request).unwrap().fetched_now());
    }

    #[test]
    fn one_process_at_a_time_makes_entries() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        let progress = Progress::new("toy");
        let held = cache.lock(&progress).unwrap();
        let other = File::open(dir.path().join("lock")).unwrap();
        let attempt = || flock(&other, FlockOperation::NonBlockingLockExclusive);
        assert_eq!(attempt(), Err(Errno::WOULDBLOCK));
        drop(held);
        assert_eq!(attempt(), Ok(()));
    }
}
