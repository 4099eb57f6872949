//! The cache folder: one entry for each set of packages. Entries are made once, under a lock.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::entry::{Entry, Seal};
use crate::error::Error;
use crate::progress::Progress;
use crate::suites::{For, Suites};

/// A folder with fetched parts.
///
/// Several processes may use it at once: an entry appears whole or not at all, and one process at
/// a time makes entries while the others wait.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    suites: Suites,
    /// Entries that count as absent.
    stale: Vec<Seal>,
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
        // QEMU's scripts and the kernel's make run in other working folders, so the path must be absolute.
        let folder = std::path::absolute(&folder).map_err(Error::io("use", &folder))?;
        Ok(Self::at(folder))
    }

    /// A cache at `folder`, which must be absolute.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            suites: Suites::default(),
            stale: Vec::new(),
        }
    }

    /// Path of the cache folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The same cache, with `suites` as its sources.
    #[must_use]
    pub fn with_suites(mut self, suites: Suites) -> Self {
        self.suites = suites;
        self
    }

    /// The same cache, but entries from before this call count as absent.
    #[must_use]
    pub fn renewed(mut self) -> Self {
        self.stale = self.entries().iter().filter_map(Entry::seal_of).collect();
        self
    }

    /// The entry `name` that was built with `key`, if it comes from a suite chosen for `what`. Does not use
    /// the network.
    pub fn have_built(&self, name: &str, key: &str, what: For) -> Option<Entry> {
        let entry = Entry::open(&self.entry_folder(name), key)?;
        let chosen = self.suites.chosen(what);
        let fits = chosen.is_none_or(|chosen| chosen.iter().any(|suite| suite == entry.suite()));
        let fresh = entry
            .seal_of()
            .is_some_and(|seal| !self.stale.contains(&seal));
        (fits && fresh).then_some(entry)
    }

    /// Every complete entry, by name. Does not use the network.
    pub fn entries(&self) -> Vec<Entry> {
        let read = fs::read_dir(self.folder.join("entries"));
        let folders = read
            .into_iter()
            .flatten()
            .filter_map(|item| Some(item.ok()?.path()));
        let mut folders: Vec<_> = folders.collect();
        folders.sort();
        folders.retain(|folder| folder.extension().is_none_or(|end| end != "partial"));
        folders
            .iter()
            .filter_map(|folder| Entry::open_any(folder))
            .collect()
    }

    /// The suites that the user chose for `what`.
    pub(crate) fn chosen_suites(&self, what: For) -> Option<Vec<String>> {
        self.suites.chosen(what)
    }

    /// The folder of downloads.
    pub(crate) fn downloads(&self) -> PathBuf {
        self.folder.join("downloads")
    }

    /// The folder of the entry `name`.
    pub(crate) fn entry_folder(&self, name: &str) -> PathBuf {
        self.folder.join("entries").join(name)
    }

    /// Waits for the lock that allows to make entries. Dropping the file releases it.
    pub(crate) fn lock(&self, progress: &Progress) -> Result<File, Error> {
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
    fn an_entry_is_taken_if_its_suite_and_age_fit() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        let make = |cache: &Cache, suite: &'static str| {
            let made = cache.built("toy", "key", For::Lab, |workshop| {
                workshop.set_suite(suite);
                Ok::<_, Error>(())
            });
            made.unwrap().fetched_now()
        };
        assert!(make(&cache, "trixie"));
        assert!(!make(&cache, "sid"));
        assert!(!make(
            &cache.clone().with_suites(Suites::named("sid,trixie")),
            "sid"
        ));
        assert!(make(
            &cache.clone().with_suites(Suites::named("sid")),
            "sid"
        ));
        let renewed = cache.clone().renewed();
        assert!(make(&renewed, "sid"));
        assert!(!make(&renewed, "sid"));
        let names: Vec<_> = cache.entries().iter().map(Entry::name).collect();
        assert_eq!(names, ["toy"]);
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
