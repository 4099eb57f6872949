//! Where something is built out of packages.

use std::cell::RefCell;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::apt::Apt;
use crate::cache::Cache;
use crate::entry::{self, Entry, Package};
use crate::error::Error;
use crate::progress::Progress;
use crate::request::{Closure, Request};
use crate::{prune, size};

/// A folder to build in, under the cache's lock. What is put into [`Workshop::root`] is kept; all
/// else in it goes in the end.
pub struct Workshop {
    apt: PathBuf,
    folder: PathBuf,
    progress: Progress,
    used: RefCell<Vec<Package>>,
}

impl Workshop {
    pub(crate) fn new(cache: &Cache, name: &str, progress: Progress) -> Result<Self, Error> {
        let folder = cache.folder().join(format!("entries/{name}.partial"));
        let workshop = Self {
            apt: cache.folder().join("apt"),
            folder,
            progress,
            used: RefCell::default(),
        };
        workshop.clear()?;
        Ok(workshop)
    }

    /// Removes everything in it, for another attempt.
    ///
    /// # Errors
    /// When a folder cannot be written.
    pub fn clear(&self) -> Result<(), Error> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder).map_err(Error::io("remove", &self.folder))?;
        }
        self.used.borrow_mut().clear();
        let root = self.root();
        fs::create_dir_all(&root).map_err(Error::io("create", &root))
    }

    /// The folder to work in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder below it that is kept: [`Entry::root`] of the finished entry.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        entry::root(&self.folder)
    }

    /// Tells on standard error what is going on.
    pub fn say(&self, text: impl Display) {
        self.progress.say(text);
    }

    /// Reads the package lists of `suite` for `arch`.
    ///
    /// # Errors
    /// [`Error::Lists`] when they are refused; as [`Cache::packages`].
    pub fn shelf(&self, suite: &str, arch: &str, closure: Closure) -> Result<Shelf<'_>, Error> {
        let request = Request {
            name: String::new(),
            suite: suite.to_owned(),
            arch: arch.to_owned(),
            packages: Vec::new(),
            metas: Vec::new(),
            closure,
        };
        let apt = Apt::new(&self.apt, &request)?;
        apt.update(&self.progress)?;
        Ok(Shelf {
            workshop: self,
            apt,
        })
    }

    pub(crate) fn seal<K: Serialize>(&self, folder: &Path, key: &K) -> Result<Entry, Error> {
        prune::keep_only(&self.folder, &["root"])?;
        prune::plain_rights(&self.root())?;
        Entry::seal(&self.folder, folder, key, self.used.take())
    }
}

/// The packages of one suite and architecture.
pub struct Shelf<'a> {
    workshop: &'a Workshop,
    apt: Apt,
}

impl Shelf<'_> {
    /// The names of the packages that `name` depends on, in the order of its list; of
    /// alternatives, the first.
    ///
    /// # Errors
    /// When there is no such package, or it depends on none.
    pub fn depends(&self, name: &str) -> Result<Vec<String>, Error> {
        self.apt.depends(name)
    }

    /// Downloads `names` and unpacks them into `root`; the downloaded files go.
    ///
    /// # Errors
    /// As [`Cache::packages`].
    pub fn unpack(&self, names: &[String], root: &Path) -> Result<Vec<Package>, Error> {
        let progress = &self.workshop.progress;
        let packages = self.apt.resolve(names)?;
        progress.say(format_args!(
            "{} package(s), {} to download",
            packages.len(),
            size::text(packages.iter().map(|p| p.bytes).sum())
        ));
        self.apt.download(names, progress)?;
        self.apt.unpack(&packages, root, progress)?;
        self.apt.clean(&packages)?;
        self.workshop.used.borrow_mut().extend(packages.clone());
        Ok(packages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_built_is_found_again_with_its_key_only() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        let build = |key: &str, text: &'static str| {
            cache.built("toy", key, |workshop| {
                let (kept, gone) = (workshop.root().join("f"), workshop.folder().join("work"));
                fs::write(&kept, text).map_err(Error::io("write", &kept))?;
                fs::create_dir(&gone).map_err(Error::io("create", &gone))
            })
        };
        let first = build("one", "a").unwrap();
        assert!(first.fetched_now() && !first.folder().join("work").exists());
        let again = build("one", "b").unwrap();
        assert!(!again.fetched_now());
        assert_eq!(fs::read(again.root().join("f")).unwrap(), b"a");
        assert!(cache.have_built("toy", "one").is_some());

        assert!(build("two", "c").unwrap().fetched_now());
        assert!(cache.have_built("toy", "one").is_none());
        assert_eq!(fs::read(again.root().join("f")).unwrap(), b"c");
    }

    #[test]
    fn what_failed_leaves_no_entry() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        let failed = cache.built("toy", "k", |workshop| {
            fs::write(workshop.root().join("half"), "x").unwrap();
            Err(Error::NoCacheFolder)
        });
        assert!(matches!(failed, Err(Error::NoCacheFolder)));
        assert!(cache.have_built("toy", "k").is_none());
        // The next attempt starts from nothing.
        let second = cache.built::<Error>("toy", "k", |_| Ok(())).unwrap();
        assert!(!second.root().join("half").exists());
    }
}
