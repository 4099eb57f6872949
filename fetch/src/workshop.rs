//! A workshop builds an entry from packages. It uses the first candidate that works.

use std::cell::{OnceCell, RefCell};
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::archive::{Archive, Lists, Record, Relation};
use crate::cache::Cache;
use crate::closure::Closure;
use crate::entry::{self, Entry, Package};
use crate::error::Error;
use crate::progress::Progress;
use crate::prune;
use crate::size;
use crate::suites::For;
use crate::version::{self, Version};

/// A reason why an attempt with a candidate failed.
pub trait Fault: Display + From<Error> {
    /// Whether this machine is at fault, so that no other candidate would work.
    fn is_local(&self) -> bool;
}

impl Fault for Error {
    fn is_local(&self) -> bool {
        Self::is_local(self)
    }
}

/// A folder to build in, under the cache's lock. The content of [`Workshop::root`] is kept. All other files
/// are removed at the end.
pub struct Workshop {
    folder: PathBuf,
    downloads: PathBuf,
    chosen: Option<Vec<String>>,
    progress: Progress,
    archive: OnceCell<Archive>,
    suite: RefCell<String>,
    used: RefCell<Vec<Record>>,
    parts: RefCell<Vec<PathBuf>>,
}

impl Workshop {
    pub(crate) fn new(
        cache: &Cache,
        name: &str,
        what: For,
        progress: Progress,
    ) -> Result<Self, Error> {
        let workshop = Self {
            folder: cache.entry_folder(&format!("{name}.partial")),
            downloads: cache.downloads(),
            chosen: cache.chosen_suites(what),
            progress,
            archive: OnceCell::new(),
            suite: RefCell::default(),
            used: RefCell::default(),
            parts: RefCell::default(),
        };
        workshop.clear()?;
        Ok(workshop)
    }

    /// The folder of the workshop.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the kept files: [`Entry::root`] of the finished entry.
    pub fn root(&self) -> PathBuf {
        entry::root(&self.folder)
    }

    /// Prints a message on standard error.
    pub fn say(&self, text: impl Display) {
        self.progress.say(text);
    }

    /// Also keeps `name`, a folder beside the root.
    pub fn keep(&self, name: &str) {
        self.parts.borrow_mut().push(name.into());
    }

    /// Notes the suite of the entry.
    pub fn set_suite(&self, suite: &str) {
        suite.clone_into(&mut self.suite.borrow_mut());
    }

    /// The suites to try: the chosen ones, else `known`.
    pub fn suites(&self, known: Vec<String>) -> Vec<String> {
        self.chosen.clone().unwrap_or(known)
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(crate) fn archive(&self) -> Result<&Archive, Error> {
        if let Some(archive) = self.archive.get() {
            return Ok(archive);
        }
        let archive = Archive::open(&self.downloads)?;
        Ok(self.archive.get_or_init(|| archive))
    }

    /// The packages of `suite` and of its base suite, for `arch`.
    ///
    /// # Errors
    /// [`Error::Lists`] when the lists cannot be used; others when this machine is at fault.
    pub fn shelf(&self, suite: &str, arch: &str) -> Result<Shelf<'_>, Error> {
        let lists = self.archive()?.lists(suite, arch, &self.progress)?;
        Ok(Shelf {
            workshop: self,
            lists,
        })
    }

    /// The upstream versions of the source package `name` in `suite`, the newest first.
    ///
    /// # Errors
    /// [`Error::Lists`] when the list cannot be used; others when this machine is at fault.
    pub fn sources(&self, suite: &str, name: &str) -> Result<Vec<SourcePackage>, Error> {
        let records = self.archive()?.sources(suite, name, &self.progress)?;
        Ok(records.into_iter().map(SourcePackage).collect())
    }

    /// The upstream tarball `file` of the source package `name`. Its size and hash are known, so no list
    /// needs to name it.
    ///
    /// # Errors
    /// No mirror is known.
    pub fn known_source(
        &self,
        name: &str,
        version: &str,
        file: String,
        bytes: u64,
        sha256: &str,
    ) -> Result<SourcePackage, Error> {
        let record = self
            .archive()?
            .known_tarball(name, version, file, bytes, sha256)?;
        Ok(SourcePackage(record))
    }

    /// Downloads the upstream tarball of `package`, and unpacks the files selected by `wanted` into `folder`.
    ///
    /// # Errors
    /// It cannot be downloaded or unpacked.
    pub fn unpack_source(
        &self,
        package: &SourcePackage,
        folder: &Path,
        wanted: impl Fn(&Path) -> bool,
    ) -> Result<(), Error> {
        let archive = self.archive()?;
        archive.unpack_source(&package.0, folder, wanted, &self.progress)?;
        self.used.borrow_mut().push(package.0.clone());
        Ok(())
    }

    /// Starts a series of attempts for `what`.
    pub fn tries(&self, what: impl Display) -> Tries<'_> {
        Tries {
            workshop: self,
            what: what.to_string(),
            tried: Vec::new(),
        }
    }

    /// Empties the workshop for another attempt.
    fn clear(&self) -> Result<(), Error> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder).map_err(Error::io("remove", &self.folder))?;
        }
        self.used.borrow_mut().clear();
        let root = self.root();
        fs::create_dir_all(&root).map_err(Error::io("create", &root))
    }

    /// Removes the workshop, if possible.
    pub(crate) fn discard(&self) {
        drop(fs::remove_dir_all(&self.folder));
    }

    pub(crate) fn seal(&self, folder: &Path, key: &str) -> Result<Entry, Error> {
        let parts = self.parts.take();
        let parts = parts.iter().filter_map(|part| part.to_str());
        let kept: Vec<_> = parts.chain(["root"]).collect();
        prune::keep_only(&self.folder, &kept)?;
        prune::plain_rights(&self.root())?;
        let used = self.used.take();
        if let Some(archive) = self.archive.get() {
            archive.tidy(&used)?;
        }
        let packages: Vec<Package> = used.iter().map(Record::package).collect();
        Entry::seal(&self.folder, folder, key, &self.suite.borrow(), packages)
    }
}

/// Candidates that are tried in turn.
pub struct Tries<'a> {
    workshop: &'a Workshop,
    what: String,
    tried: Vec<(String, String)>,
}

impl Tries<'_> {
    /// Calls `attempt` for `candidate` in an empty workshop, and returns its result. If the attempt fails,
    /// prints the reason and returns `None`.
    ///
    /// # Errors
    /// That of the attempt, if this machine is at fault.
    pub fn attempt<T, E: Fault>(
        &mut self,
        candidate: &str,
        attempt: impl FnOnce() -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        match attempt() {
            Ok(done) => Ok(Some(done)),
            Err(error) if error.is_local() => Err(error),
            Err(error) => {
                self.failed(candidate, &error);
                self.workshop.clear()?;
                Ok(None)
            }
        }
    }

    /// Notes that `candidate` failed, and prints one line about it.
    pub fn failed(&mut self, candidate: &str, error: &dyn Display) {
        let words = error.to_string();
        let line = words.lines().next().unwrap_or_default();
        self.workshop
            .say(format_args!("{candidate}: {line}; trying the next"));
        self.tried.push((candidate.to_owned(), words));
    }

    /// The error with all failed attempts.
    pub fn nothing_left(self) -> Error {
        Error::NothingLeft {
            what: self.what,
            tried: self.tried,
        }
    }
}

/// A source package of a suite, with its upstream tarball.
#[derive(Clone, Debug)]
pub struct SourcePackage(Record);

impl SourcePackage {
    /// Debian version of the package, with epoch.
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// Whether the package belongs to the upstream version `wanted`, such as 11.1, or to one of its fixes.
    pub fn is_of(&self, wanted: &str) -> bool {
        version::is_of(&self.0.version, wanted)
    }

    /// The QEMU version, if this is QEMU's source.
    pub fn qemu(&self) -> Option<Version> {
        Version::of_package(&self.0.version)
    }
}

impl Cache {
    /// Returns the entry `name` from the cache, or calls `make` to build it. `key` describes the inputs of
    /// the build: another key builds it again. The entry appears whole or not at all. `what` selects the
    /// suites.
    ///
    /// # Errors
    /// Those of `make`, and when a folder cannot be written.
    pub fn built<E: From<Error>>(
        &self,
        name: &str,
        key: &str,
        what: For,
        make: impl FnOnce(&Workshop) -> Result<(), E>,
    ) -> Result<Entry, E> {
        if let Some(entry) = self.have_built(name, key, what) {
            return Ok(entry);
        }
        let started = Instant::now();
        let progress = Progress::new(name);
        let _lock = self.lock(&progress)?;
        // Another process may have made the entry while this one waited.
        if let Some(entry) = self.have_built(name, key, what) {
            return Ok(entry);
        }
        let workshop = Workshop::new(self, name, what, progress)?;
        if let Err(error) = make(&workshop) {
            workshop.discard();
            return Err(error);
        }
        let entry = workshop.seal(&self.entry_folder(name), key)?;
        Progress::new(name).say(format_args!(
            "ready after {:.1} s, {} on disk",
            started.elapsed().as_secs_f64(),
            size::text(entry.bytes_unpacked())
        ));
        Ok(entry)
    }
}

/// A package to unpack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Name of the package.
    pub name: String,
    /// Version of the package. Without one, the best available version.
    pub version: Option<String>,
}

impl Wanted {
    /// Any version of the package `name`.
    pub fn any(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: None,
        }
    }

    /// This version of the package `name`.
    pub fn exactly(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: Some(version.to_owned()),
        }
    }

    pub(crate) fn relation(&self) -> Relation<'_> {
        match &self.version {
            Some(version) => Relation::exactly(&self.name, version),
            None => Relation::any(&self.name),
        }
    }
}

/// The packages of one suite and architecture.
pub struct Shelf<'a> {
    workshop: &'a Workshop,
    lists: Lists,
}

impl Shelf<'_> {
    pub(crate) fn lists(&self) -> &Lists {
        &self.lists
    }

    /// The names of the packages that the best version of `name` depends on, in order. Of alternatives, the
    /// first.
    ///
    /// # Errors
    /// When there is no such package.
    pub fn depends(&self, name: &str) -> Result<Vec<String>, Error> {
        let versions = self.lists.versions(name);
        let best = versions.first();
        let best = best.ok_or_else(|| Error::Packages(format!("there is no package {name}")))?;
        Ok(first_names(best))
    }

    /// Downloads `wanted` and unpacks them into `root`, an empty folder.
    ///
    /// # Errors
    /// [`Error::Packages`] if no version of a package is available.
    pub fn unpack(
        &self,
        wanted: &[Wanted],
        closure: Closure,
        root: &Path,
    ) -> Result<Vec<Package>, Error> {
        let relations: Vec<_> = wanted.iter().map(Wanted::relation).collect();
        let progress = &self.workshop.progress;
        let archive = self.workshop.archive()?;
        let records = archive.unpack(&self.lists, &relations, closure, root, progress)?;
        prune::plain_rights(root)?;
        let packages = records.iter().map(Record::package).collect();
        self.workshop.used.borrow_mut().extend(records);
        Ok(packages)
    }
}

/// The first alternative of each dependency of `record`.
pub(crate) fn first_names(record: &Record) -> Vec<String> {
    let items = record.depends();
    let first = items.iter().filter_map(|alternatives| alternatives.first());
    first.map(|relation| relation.name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_built_is_found_again_with_its_key_only() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        let build = |key: &str, text: &'static str| {
            cache.built("toy", key, For::Lab, |workshop| {
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
        assert!(cache.have_built("toy", "one", For::Lab).is_some());

        assert!(build("two", "c").unwrap().fetched_now());
        assert!(cache.have_built("toy", "one", For::Lab).is_none());
        assert_eq!(fs::read(again.root().join("f")).unwrap(), b"c");
    }

    #[test]
    fn what_failed_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        let failed = cache.built("toy", "k", For::Lab, |workshop| {
            fs::write(workshop.root().join("half"), "x").unwrap();
            Err(Error::NoCacheFolder)
        });
        assert!(matches!(failed, Err(Error::NoCacheFolder)));
        let entries = fs::read_dir(dir.path().join("entries")).unwrap();
        assert_eq!(entries.count(), 0);
    }

    #[test]
    fn a_candidate_gives_way_to_the_next_unless_this_machine_is_at_fault() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        let built = cache.built("toy", "k", For::Lab, |workshop| {
            let mut tries = workshop.tries("a toy");
            let half = workshop.root().join("half");
            let first = tries.attempt("one", || {
                fs::write(&half, "x").unwrap();
                Err::<(), _>(Error::Packages("gone".to_owned()))
            });
            assert!(matches!(first, Ok(None)));
            assert!(!half.exists());
            let text = tries.nothing_left().to_string();
            assert!(text.contains("cannot fetch a toy"), "{text}");
            assert!(text.contains("\n  one: gone\n"), "{text}");
            let mut tries = workshop.tries("a toy");
            tries
                .attempt("two", || Err::<(), _>(Error::NoCacheFolder))
                .map(drop)
        });
        assert!(matches!(built, Err(Error::NoCacheFolder)));
    }
}
