//! A finished entry of the cache, and the stamp that says what is in it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Error;

const STAMP: &str = "stamp.json";
const SCHEMA: u32 = 1;

/// A package as it was fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its Debian version, with epoch.
    pub version: String,
    /// Its architecture, or `all`.
    pub arch: String,
    /// Size of the package file.
    pub bytes: u64,
}

/// `request` is what the entry was made for: a `Request`, or the key of something built.
#[derive(Serialize, Deserialize)]
struct Stamp<K> {
    schema: u32,
    request: K,
    packages: Vec<Package>,
    bytes_unpacked: u64,
}

/// A set of packages, unpacked.
#[derive(Clone, Debug)]
pub struct Entry {
    folder: PathBuf,
    packages: Vec<Package>,
    bytes_unpacked: u64,
    fetched_now: bool,
}

impl Entry {
    /// The entry's folder in the cache.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the packages were unpacked: paths below it are as in Debian, without a leading `/`.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        root(&self.folder)
    }

    /// The packages in it.
    #[must_use]
    pub fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// The package called `name`.
    #[must_use]
    pub fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|p| p.name == name)
    }

    /// Sum of the package files' sizes.
    #[must_use]
    pub fn bytes_fetched(&self) -> u64 {
        self.packages.iter().map(|p| p.bytes).sum()
    }

    /// Sum of the unpacked files' sizes.
    #[must_use]
    pub fn bytes_unpacked(&self) -> u64 {
        self.bytes_unpacked
    }

    /// Whether this call fetched it, rather than finding it in the cache.
    #[must_use]
    pub fn fetched_now(&self) -> bool {
        self.fetched_now
    }

    pub(crate) fn set_fetched_now(&mut self, now: bool) {
        self.fetched_now = now;
    }

    /// The entry in `folder`, if it is there and was made for `request`.
    pub(crate) fn open<K: DeserializeOwned + PartialEq>(
        folder: &Path,
        request: &K,
    ) -> Option<Self> {
        let stamp: Stamp<K> = serde_json::from_slice(&fs::read(folder.join(STAMP)).ok()?).ok()?;
        (stamp.schema == SCHEMA && stamp.request == *request).then(|| Self {
            folder: folder.to_path_buf(),
            packages: stamp.packages,
            bytes_unpacked: stamp.bytes_unpacked,
            fetched_now: false,
        })
    }

    /// Writes the stamp into `partial`, puts that in the place of `folder`, and opens it.
    pub(crate) fn seal<K: Serialize>(
        partial: &Path,
        folder: &Path,
        request: &K,
        packages: Vec<Package>,
    ) -> Result<Self, Error> {
        let bytes_unpacked = bytes_below(&root(partial))?;
        let stamp = Stamp {
            schema: SCHEMA,
            request,
            packages,
            bytes_unpacked,
        };
        let path = partial.join(STAMP);
        let text =
            serde_json::to_vec_pretty(&stamp).map_err(|e| Error::io("write", &path)(e.into()))?;
        fs::write(&path, text).map_err(Error::io("write", &path))?;
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(Error::io("remove", folder))?;
        }
        fs::rename(partial, folder).map_err(Error::io("move into place", folder))?;
        Ok(Self {
            folder: folder.to_path_buf(),
            packages: stamp.packages,
            bytes_unpacked,
            fetched_now: true,
        })
    }
}

/// Where packages are unpacked inside an entry's folder.
pub(crate) fn root(folder: &Path) -> PathBuf {
    folder.join("root")
}

fn bytes_below(folder: &Path) -> Result<u64, Error> {
    let mut bytes = 0;
    for item in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let item = item.map_err(Error::io("read", folder))?;
        let data = item.metadata().map_err(Error::io("read", &item.path()))?;
        bytes += if data.is_dir() {
            bytes_below(&item.path())?
        } else if data.is_file() {
            data.len()
        } else {
            0
        };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Closure, Request};

    fn request() -> Request {
        Request {
            name: "toy".into(),
            suite: "trixie".into(),
            arch: "s390x".into(),
            packages: vec!["a".into()],
            metas: vec![],
            closure: Closure::Named,
        }
    }

    fn package() -> Package {
        Package {
            name: "a".into(),
            version: "1:2-3".into(),
            arch: "s390x".into(),
            bytes: 10,
        }
    }

    #[test]
    fn a_sealed_entry_opens_again_and_only_for_its_own_request() {
        let dir = tempfile::tempdir().unwrap();
        let (partial, folder) = (dir.path().join("partial"), dir.path().join("toy"));
        fs::create_dir_all(partial.join("root/usr")).unwrap();
        fs::write(partial.join("root/usr/file"), b"12345").unwrap();
        assert!(Entry::open(&folder, &request()).is_none());

        let sealed = Entry::seal(&partial, &folder, &request(), vec![package()]).unwrap();
        assert!(sealed.fetched_now());
        assert!(!partial.exists());

        let opened = Entry::open(&folder, &request()).unwrap();
        assert!(!opened.fetched_now());
        assert_eq!(opened.packages(), [package()]);
        assert_eq!(opened.bytes_fetched(), 10);
        assert_eq!(opened.bytes_unpacked(), 5);
        assert!(opened.root().join("usr/file").is_file());

        let mut other = request();
        other.packages.push("b".into());
        assert!(Entry::open(&folder, &other).is_none());
    }

    #[test]
    fn sealing_replaces_what_an_older_request_left() {
        let dir = tempfile::tempdir().unwrap();
        let (partial, folder) = (dir.path().join("partial"), dir.path().join("toy"));
        fs::create_dir_all(folder.join("root/old")).unwrap();
        fs::create_dir_all(partial.join("root/new")).unwrap();
        Entry::seal(&partial, &folder, &request(), vec![]).unwrap();
        assert!(!folder.join("root/old").exists());
        assert!(folder.join("root/new").exists());
    }

    #[test]
    fn a_torn_stamp_counts_as_absent() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(STAMP), b"{\"schema\": 1, \"requ").unwrap();
        assert!(Entry::open(dir.path(), &request()).is_none());
    }
}
