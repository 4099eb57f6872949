//! Reads Debian's archive without apt: signed releases, lists of packages, and package files.

pub(crate) mod compression;
pub(crate) mod control;
mod deb;
mod deb_version;
mod http;
mod index;
mod keys;
mod pgp;
mod proxy;
mod relation;
mod release;
mod resolve;
mod source;
mod store;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::SystemTime;

pub(crate) use deb_version::{compare, upstream};
pub(crate) use index::{Index, Record};
pub(crate) use relation::Relation;
pub(crate) use resolve::{Banned, Lists};

use crate::apt_conf::AptConf;
use crate::closure::Closure;
use crate::error::{Error, is_local};
use crate::mirror::Mirrors;
use crate::progress::Progress;
use crate::size;
use http::{Client, Trouble};
use pgp::Key;
use release::{Listed, Release};
use store::Store;

const DATES: &str = "VFIO_USER_ISM_CHECK_DATES";
/// Most bytes of a release file: more than ten times those of Debian's largest suite.
const RELEASE_LIMIT: u64 = 4_000_000;
/// Suffixes of lists, the smallest file first.
const COMPRESSIONS: [&str; 4] = [".xz", ".zst", ".gz", ""];

/// A remembered result, so that nothing is asked twice.
type Remembered<T> = Result<Rc<T>, String>;

/// The archive of one mirror, and the files downloaded from it.
pub(crate) struct Archive {
    mirrors: Mirrors,
    keys: Vec<Key>,
    client: Client,
    store: Store,
    check_dates: bool,
    releases: RefCell<HashMap<String, Remembered<Release>>>,
    indexes: RefCell<HashMap<String, Remembered<Index>>>,
}

impl Archive {
    /// The archive of this machine's mirror. Downloads go to `folder`.
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        let conf = AptConf::of_machine();
        let check_dates = match std::env::var(DATES).as_deref() {
            Ok("no") => false,
            Ok("yes") => true,
            _ => !conf.is_off("Acquire::Check-Valid-Until"),
        };
        Ok(Self {
            mirrors: Mirrors::find()?,
            keys: keys::trusted()?,
            client: Client::new(&conf)?,
            store: Store::open(folder)?,
            check_dates,
            releases: RefCell::default(),
            indexes: RefCell::default(),
        })
    }

    /// The lists of `suite` and of its base suite, for `arch`.
    pub(crate) fn lists(
        &self,
        suite: &str,
        arch: &str,
        progress: &Progress,
    ) -> Result<Lists, Error> {
        let base = base_of(suite);
        let suites = std::iter::once(suite).chain(base);
        let lists: Result<_, _> = suites
            .map(|each| self.index(each, arch, progress))
            .collect();
        Ok(Lists(lists?))
    }

    /// The list of `suite` without its base suite.
    pub(crate) fn index(
        &self,
        suite: &str,
        arch: &str,
        progress: &Progress,
    ) -> Result<Rc<Index>, Error> {
        let read = || self.read_index(suite, arch, progress);
        let found = once(&self.indexes, &format!("{suite} {arch}"), read)?;
        found.map_err(Error::lists(suite))
    }

    /// Downloads the packages and unpacks them into `root`. If a package cannot be downloaded, it is banned,
    /// and the packages are chosen again.
    pub(crate) fn unpack(
        &self,
        lists: &Lists,
        wanted: &[Relation<'_>],
        closure: Closure,
        root: &Path,
        progress: &Progress,
    ) -> Result<Vec<Record>, Error> {
        let mut banned = Banned::new();
        let mut tried: Vec<String> = Vec::new();
        loop {
            let found = lists.resolve(wanted, closure == Closure::Full, &banned);
            let records = found.map_err(|words| {
                tried.push(words);
                Error::Packages(tried.join("; "))
            })?;
            let done = self
                .download(&records, progress)
                .and_then(|()| self.unpack_all(&records, root, progress));
            match done {
                Ok(()) => return Ok(records),
                Err((hash, trouble)) => {
                    let words = trouble.of_archive()?;
                    progress.say(format_args!("{words}; looking for another version"));
                    banned.insert(hash);
                    tried.push(words);
                }
            }
        }
    }

    /// Empties `root` and unpacks downloaded packages into it. An error has the hash of its package.
    fn unpack_all(
        &self,
        records: &[Record],
        root: &Path,
        progress: &Progress,
    ) -> Result<(), (String, Trouble)> {
        let emptied = || {
            if root.exists() {
                fs::remove_dir_all(root).map_err(Error::io("remove", root))?;
            }
            fs::create_dir_all(root).map_err(Error::io("create", root))
        };
        emptied().map_err(|error| (String::new(), Trouble::Local(error)))?;
        let steps = progress.steps("unpacking", records.len() as u64);
        for (done, record) in records.iter().enumerate() {
            steps.count(done as u64);
            let unpacked = deb::unpack(&self.store.path(&record.sha256), root);
            let trouble = unpacked.map_err(|source| {
                let local = is_local(&source);
                let package = record.title();
                let error = Error::Unpack { package, source };
                if local {
                    return Trouble::Local(error);
                }
                match self.store.forget(&record.sha256) {
                    Ok(()) => Trouble::Remote(error.to_string()),
                    Err(error) => Trouble::Local(error),
                }
            });
            trouble.map_err(|trouble| (record.sha256.clone(), trouble))?;
        }
        Ok(())
    }

    /// Removes the files of `records` that no other entry needs.
    pub(crate) fn tidy(&self, records: &[Record]) -> Result<(), Error> {
        self.store.tidy(records)
    }

    fn download(&self, records: &[Record], progress: &Progress) -> Result<(), (String, Trouble)> {
        let missing: Vec<_> = records
            .iter()
            .filter(|record| !self.store.has(&record.sha256, record.bytes))
            .collect();
        let bytes: u64 = missing.iter().map(|record| record.bytes).sum();
        progress.say(format_args!(
            "{} package(s), {} to download",
            records.len(),
            size::text(bytes)
        ));
        if missing.is_empty() {
            return Ok(());
        }
        let steps = progress.steps("downloading", bytes);
        for record in missing {
            steps.begin(&record.name);
            let url = format!("{}{}", record.base, address(&record.file));
            self.store
                .fetch(&self.client, &url, &record.sha256, record.bytes, &steps)
                .map_err(|trouble| (record.sha256.clone(), trouble))?;
            steps.end(record.bytes);
        }
        Ok(())
    }

    fn read_index(&self, suite: &str, arch: &str, progress: &Progress) -> Result<Index, Trouble> {
        let base = self.mirrors.of(suite).map_err(Trouble::remote)?;
        let name = format!("main/binary-{arch}/Packages");
        let text = self.list_named(suite, &name, arch, progress)?;
        Ok(Index::read(&text, suite, base))
    }

    /// The text of the list `folder` of `suite`. `arch` selects one of the suite's lists.
    fn list_named(
        &self,
        suite: &str,
        folder: &str,
        arch: &str,
        progress: &Progress,
    ) -> Result<String, Trouble> {
        let base = self.mirrors.of(suite).map_err(Trouble::remote)?;
        let release = self.release(suite, progress)?;
        let mut tried = Vec::new();
        let all = COMPRESSIONS.map(|end| format!("{folder}{end}"));
        for listed in all.iter().filter_map(|path| release.listed(path)) {
            match self.list(
                &format!("{base}dists/{suite}/"),
                &listed,
                release.by_hash(),
                progress,
            ) {
                Ok(text) => {
                    self.store
                        .list_is(&format!("{suite}-{arch}"), &listed.sha256)?;
                    return Ok(text);
                }
                // The list in another compression may be intact.
                Err(trouble) => tried.push(trouble.of_archive().map_err(Trouble::Local)?),
            }
        }
        if tried.is_empty() {
            tried.push(format!("it has no packages for {arch}"));
        }
        Err(Trouble::Remote(tried.join("; ")))
    }

    /// The text of a list, by its hash if the mirror supports that, else by its name.
    fn list(
        &self,
        folder: &str,
        listed: &Listed,
        by_hash: bool,
        progress: &Progress,
    ) -> Result<String, Trouble> {
        let Listed {
            path,
            bytes,
            sha256,
        } = listed;
        if !self.store.has(sha256, *bytes) {
            let steps = progress.steps(&format!("reading {}{path}", short(folder)), *bytes);
            let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
            let hashed = format!("{folder}{parent}/by-hash/SHA256/{sha256}");
            let named = format!("{folder}{path}");
            let mut fetched = Err(Trouble::remote("no address"));
            for url in by_hash.then_some(hashed).into_iter().chain([named]) {
                fetched = self.store.fetch(&self.client, &url, sha256, *bytes, &steps);
                if !matches!(fetched, Err(Trouble::Refused(_) | Trouble::Remote(_))) {
                    break;
                }
            }
            fetched?;
        }
        self.store.text(sha256, path)
    }

    fn release(&self, suite: &str, progress: &Progress) -> Result<Rc<Release>, Trouble> {
        let read = || self.read_release(suite, progress);
        let found = once(&self.releases, suite, read).map_err(Trouble::Local)?;
        found.map_err(Trouble::Remote)
    }

    fn read_release(&self, suite: &str, progress: &Progress) -> Result<Release, Trouble> {
        let base = self.mirrors.of(suite).map_err(Trouble::remote)?;
        let folder = format!("{base}dists/{suite}");
        progress.say(format_args!("reading the lists of {suite}"));
        let url = format!("{folder}/InRelease");
        let told = |words: String| Trouble::Remote(format!("{url}: {words}"));
        let text = match self.client.small(&url, RELEASE_LIMIT) {
            Ok(bytes) => {
                let message = String::from_utf8_lossy(&bytes);
                pgp::signed_text(&message, &self.keys).map_err(told)?
            }
            // Some mirrors have only the older form.
            Err(Trouble::Refused(words)) => {
                self.detached_release(&folder)
                    .map_err(|trouble| match trouble {
                        Trouble::Refused(_) => Trouble::Refused(words),
                        other => other,
                    })?
            }
            Err(other) => return Err(other),
        };
        let now = self.check_dates.then(SystemTime::now);
        Release::new(text, suite, now).map_err(told)
    }

    fn detached_release(&self, folder: &str) -> Result<String, Trouble> {
        let url = format!("{folder}/Release");
        let data = self.client.small(&url, RELEASE_LIMIT)?;
        let signature = self.client.small(&format!("{url}.gpg"), RELEASE_LIMIT)?;
        pgp::check_detached(&data, &signature, &self.keys)
            .map_err(|words| Trouble::Remote(format!("{url}: {words}")))?;
        Ok(String::from_utf8_lossy(&data).into_owned())
    }
}

/// The result of `read`. It is kept in `known` for later calls, except for errors of this machine.
fn once<T>(
    known: &RefCell<HashMap<String, Remembered<T>>>,
    key: &str,
    read: impl FnOnce() -> Result<T, Trouble>,
) -> Result<Remembered<T>, Error> {
    if let Some(found) = known.borrow().get(key) {
        return Ok(found.clone());
    }
    let found = match read() {
        Ok(value) => Ok(Rc::new(value)),
        Err(trouble) => Err(trouble.of_archive()?),
    };
    known.borrow_mut().insert(key.to_owned(), found.clone());
    Ok(found)
}

/// The base suite, from which `suite` takes missing packages.
pub(crate) fn base_of(suite: &str) -> Option<&str> {
    let ends = ["-backports", "-security", "-updates", "-proposed-updates"];
    ends.iter().find_map(|end| suite.strip_suffix(end))
}

/// A file's path as part of an address.
fn address(path: &str) -> String {
    path.replace('%', "%25")
        .replace('+', "%2b")
        .replace(' ', "%20")
}

/// The part of a folder's address that differs between suites.
fn short(folder: &str) -> &str {
    folder
        .rsplit_once("dists/")
        .map_or(folder, |(_, rest)| rest)
}
