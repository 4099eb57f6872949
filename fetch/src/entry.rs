//! A finished entry of the cache, and the stamp that describes it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::error::Error;

const STAMP: &str = "stamp.json";
const SCHEMA: u32 = 1;

/// A fetched package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Name of the package.
    pub name: String,
    /// Debian version of the package, with epoch.
    pub version: String,
    /// Architecture of the package, or `all`.
    pub arch: String,
    /// Bytes of the package file.
    pub bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct Stamp {
    schema: u32,
    /// The key of the entry.
    request: String,
    packages: Vec<Package>,
    bytes_unpacked: u64,
    /// The suite of the packages.
    #[serde(default)]
    suite: String,
}

/// A set of packages, unpacked.
#[derive(Clone, Debug)]
pub struct Entry {
    folder: PathBuf,
    key: String,
    packages: Vec<Package>,
    bytes_unpacked: u64,
    suite: String,
    fetched_now: bool,
}

/// Inode and time of an entry's stamp. The time alone is not enough: file systems count it in ticks of some
/// milliseconds, and clocks can be set back. The new stamp is written while the old entry still exists, so
/// the inodes differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seal(u64, SystemTime);

impl Entry {
    /// The entry's folder in the cache.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder with the unpacked packages. Paths below it are as in Debian, without the leading `/`.
    pub fn root(&self) -> PathBuf {
        root(&self.folder)
    }

    /// The packages of the entry.
    pub fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// The package called `name`.
    pub fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|p| p.name == name)
    }

    /// Sum of the package files' sizes.
    pub fn bytes_fetched(&self) -> u64 {
        self.packages.iter().map(|p| p.bytes).sum()
    }

    /// Sum of the unpacked files' sizes.
    pub fn bytes_unpacked(&self) -> u64 {
        self.bytes_unpacked
    }

    /// The suite of the packages. Empty if it is unknown.
    pub fn suite(&self) -> &str {
        &self.suite
    }

    /// Name of the entry in the cache.
    pub fn name(&self) -> String {
        let name = self.folder.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// The key of the entry. Another version of this program may have another key for the same name. It then
    /// makes the entry again when needed.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether this call fetched the entry. Otherwise it was in the cache.
    pub fn fetched_now(&self) -> bool {
        self.fetched_now
    }

    pub(crate) fn set_fetched_now(&mut self, now: bool) {
        self.fetched_now = now;
    }

    /// The entry in `folder`, if it is unchanged since it was sealed for `key`.
    pub(crate) fn open(folder: &Path, key: &str) -> Option<Self> {
        let stamp = Stamp::read(folder)?;
        (stamp.request == key).then(|| stamp.entry(folder, false))
    }

    /// The entry in `folder`, with any key. None if it is incomplete.
    pub(crate) fn open_any(folder: &Path) -> Option<Self> {
        Some(Stamp::read(folder)?.entry(folder, false))
    }

    /// Writes the stamp into `partial`, moves that to `folder`, and opens it.
    pub(crate) fn seal(
        partial: &Path,
        folder: &Path,
        key: &str,
        suite: &str,
        packages: Vec<Package>,
    ) -> Result<Self, Error> {
        let stamp = Stamp {
            schema: SCHEMA,
            request: key.to_owned(),
            packages,
            bytes_unpacked: bytes_below(&root(partial))?,
            suite: suite.to_owned(),
        };
        let path = partial.join(STAMP);
        let text =
            serde_json::to_vec_pretty(&stamp).map_err(|e| Error::io("write", &path)(e.into()))?;
        fs::write(&path, text).map_err(Error::io("write", &path))?;
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(Error::io("remove", folder))?;
        }
        fs::rename(partial, folder).map_err(Error::io("move into place", folder))?;
        Ok(stamp.entry(folder, true))
    }

    /// Identifies this entry among all that were ever sealed in its place.
    pub(crate) fn seal_of(&self) -> Option<Seal> {
        let data = fs::metadata(self.folder.join(STAMP)).ok()?;
        Some(Seal(data.ino(), data.modified().ok()?))
    }
}

impl Stamp {
    /// The stamp in `folder`. None if the entry has changed since it was sealed.
    fn read(folder: &Path) -> Option<Self> {
        let stamp: Self = serde_json::from_slice(&fs::read(folder.join(STAMP)).ok()?).ok()?;
        let bytes = bytes_below(&root(folder)).ok()?;
        (stamp.schema == SCHEMA && stamp.bytes_unpacked == bytes).then_some(stamp)
    }

    fn entry(self, folder: &Path, fetched_now: bool) -> Entry {
        Entry {
            folder: folder.to_path_buf(),
            key: self.request,
            packages: self.packages,
            bytes_unpacked: self.bytes_unpacked,
            suite: self.suite,
            fetched_now,
        }
    }
}

/// The folder for unpacked packages in an entry's folder.
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

    fn package() -> Package {
        Package {
            name: "a".into(),
            version: "1:2-3".into(),
            arch: "s390x".into(),
            bytes: 10,
        }
    }

    #[track_caller]
    fn sealed(dir: &Path, file: &str) -> (PathBuf, Entry) {
        let (partial, folder) = (dir.join("partial"), dir.join("toy"));
        fs::create_dir_all(partial.join("root/usr")).unwrap();
        fs::write(partial.join("root/usr").join(file), b"12345").unwrap();
        let entry = Entry::seal(&partial, &folder, "key", "trixie", vec![package()]).unwrap();
        assert!(!partial.exists());
        (folder, entry)
    }

    #[test]
    fn a_sealed_entry_opens_again_and_only_for_its_own_key() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, entry) = sealed(dir.path(), "file");
        assert!(entry.fetched_now());
        let opened = Entry::open(&folder, "key").unwrap();
        assert!(!opened.fetched_now());
        assert_eq!(opened.packages(), [package()]);
        assert_eq!((opened.bytes_fetched(), opened.bytes_unpacked()), (10, 5));
        assert_eq!((opened.suite(), opened.name().as_str()), ("trixie", "toy"));
        assert!(opened.root().join("usr/file").is_file());
        assert!(Entry::open(&folder, "other").is_none());
        assert!(Entry::open_any(&folder).is_some());
    }

    #[test]
    fn sealing_replaces_what_an_older_key_left() {
        let dir = tempfile::tempdir().unwrap();
        sealed(dir.path(), "old");
        let (folder, _) = sealed(dir.path(), "new");
        assert!(!folder.join("root/usr/old").exists());
        assert!(folder.join("root/usr/new").exists());
    }

    #[test]
    fn half_an_entry_counts_as_absent() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, _) = sealed(dir.path(), "file");
        fs::write(folder.join("root/usr/file"), b"1").unwrap();
        assert!(Entry::open(&folder, "key").is_none());
        let (folder, _) = sealed(dir.path(), "file");
        fs::remove_dir_all(folder.join("root")).unwrap();
        assert!(Entry::open(&folder, "key").is_none());
        let (folder, _) = sealed(dir.path(), "file");
        fs::write(folder.join(STAMP), b"{\"schema\": 1, \"requ").unwrap();
        assert!(Entry::open(&folder, "key").is_none());
    }
}
