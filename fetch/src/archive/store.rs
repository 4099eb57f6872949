//! Downloaded files, named by the hash of their content. All entries share them.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};

use super::compression;
use super::http::{Client, Trouble};
use super::index::Record;
use super::pgp::hex;
use crate::error::Error;
use crate::progress::Steps;

/// A larger package is a kernel's source, which only one entry needs.
const KEPT: u64 = 100_000_000;
/// Suffix of an incomplete download.
const PART: &str = "part";

/// A folder of files that are named by their hash.
pub(crate) struct Store {
    folder: PathBuf,
}

impl Store {
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        let lists = folder.join("lists");
        fs::create_dir_all(&lists).map_err(Error::io("create", &lists))?;
        Ok(Self {
            folder: folder.to_path_buf(),
        })
    }

    pub(crate) fn path(&self, sha256: &str) -> PathBuf {
        self.folder.join(sha256)
    }

    /// Whether the file exists with the right content.
    pub(crate) fn has(&self, sha256: &str, bytes: u64) -> bool {
        let path = self.path(sha256);
        let data = fs::metadata(&path);
        data.is_ok_and(|data| data.len() == bytes)
            && hash_of(&path).is_ok_and(|found| found == sha256)
    }

    /// Downloads a file and checks it. Continues an earlier attempt.
    pub(crate) fn fetch(
        &self,
        client: &Client,
        url: &str,
        sha256: &str,
        bytes: u64,
        steps: &Steps,
    ) -> Result<(), Trouble> {
        let path = self.path(sha256);
        let part = path.with_extension(PART);
        let had = part.exists();
        client.file(url, bytes, &part, steps)?;
        let mut found = hash_of(&part).map_err(Trouble::Local)?;
        if found != sha256 && had {
            // The beginning may belong to another file.
            remove(&part).map_err(Trouble::Local)?;
            client.file(url, bytes, &part, steps)?;
            found = hash_of(&part).map_err(Trouble::Local)?;
        }
        if found != sha256 {
            remove(&part).map_err(Trouble::Local)?;
            return Err(Trouble::Remote(format!(
                "{url}: wrong content: its SHA-256 is {found}, the list names {sha256}"
            )));
        }
        fs::rename(&part, &path)
            .map_err(|error| Trouble::Local(Error::io("move into place", &path)(error)))
    }

    /// The decompressed text of a downloaded file. The suffix of `name` gives the compression.
    pub(crate) fn text(&self, sha256: &str, name: &str) -> Result<String, Trouble> {
        let path = self.path(sha256);
        let torn = |error| Trouble::Remote(format!("{name} cannot be unpacked: {error}"));
        let mut bytes = Vec::new();
        let file = File::open(&path).map_err(|e| Trouble::Local(Error::io("read", &path)(e)))?;
        let read = compression::reader(name, file).and_then(|mut r| r.read_to_end(&mut bytes));
        if let Err(error) = read {
            remove(&path).map_err(Trouble::Local)?;
            return Err(torn(error));
        }
        String::from_utf8(bytes).map_err(|error| torn(std::io::Error::other(error)))
    }

    /// Notes the present file of the list `name`, and removes the previous one.
    pub(crate) fn list_is(&self, name: &str, sha256: &str) -> Result<(), Trouble> {
        let path = self.folder.join("lists").join(name);
        let before = fs::read_to_string(&path).unwrap_or_default();
        if before == sha256 {
            return Ok(());
        }
        let write = fs::write(&path, sha256).map_err(Error::io("write", &path));
        write.map_err(Trouble::Local)?;
        // If another suite has an equal list, it is downloaded again.
        if !before.is_empty() {
            drop(fs::remove_file(self.path(&before)));
        }
        Ok(())
    }

    pub(crate) fn forget(&self, sha256: &str) -> Result<(), Error> {
        remove(&self.path(sha256))
    }

    /// Removes the largest packages of `records`.
    pub(crate) fn tidy(&self, records: &[Record]) -> Result<(), Error> {
        let mut large = records.iter().filter(|record| record.bytes > KEPT);
        large.try_for_each(|record| self.forget(&record.sha256))
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(Error::io("remove", path)),
    }
}

fn hash_of(path: &Path) -> Result<String, Error> {
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    let (mut context, mut block) = (Context::new(&SHA256), vec![0; 1 << 16]);
    loop {
        let count = file.read(&mut block).map_err(Error::io("read", path))?;
        if count == 0 {
            return Ok(hex(context.finish().as_ref()));
        }
        context.update(block.get(..count).unwrap_or_default());
    }
}
