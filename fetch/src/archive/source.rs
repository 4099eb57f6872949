//! Source packages: a suite's list `Sources`, and the upstream tarballs in it.

use std::path::Path;
use std::rc::Rc;

use super::control::{self, Paragraph};
use super::{Archive, Record, compression, deb_version};
use crate::error::{Error, is_local};
use crate::progress::Progress;

/// In a list of sources, this word stands in place of an architecture.
const ARCH: &str = "source";
/// The mirror of this suite has the pool of all packages except security updates.
const POOL: &str = "sid";

impl Archive {
    /// The upstream tarballs of the source package `name` in `suite`, the newest first.
    pub(crate) fn sources(
        &self,
        suite: &str,
        name: &str,
        progress: &Progress,
    ) -> Result<Vec<Record>, Error> {
        let refused = Error::lists(suite);
        match self.list_named(suite, "main/source/Sources", ARCH, progress) {
            Ok(text) => {
                let base = self.mirrors.of(suite).map_err(refused)?;
                Ok(read(&text, name, suite, base))
            }
            Err(trouble) => Err(refused(trouble.of_archive()?)),
        }
    }

    /// A tarball of Debian's pool with known size and hash.
    pub(crate) fn known_tarball(
        &self,
        name: &str,
        version: &str,
        file: String,
        bytes: u64,
        sha256: &str,
    ) -> Result<Record, Error> {
        let base = self.mirrors.of(POOL).map_err(Error::lists(POOL))?;
        Ok(Record {
            name: name.to_owned(),
            version: version.to_owned(),
            arch: ARCH.to_owned(),
            depends: String::new(),
            provides: String::new(),
            file,
            bytes,
            sha256: sha256.to_owned(),
            suite: Rc::from("Debian"),
            base: Rc::from(base),
        })
    }

    /// Downloads a tarball and unpacks the files selected by `wanted` into `folder`.
    pub(crate) fn unpack_source(
        &self,
        tarball: &Record,
        folder: &Path,
        wanted: impl Fn(&Path) -> bool,
        progress: &Progress,
    ) -> Result<(), Error> {
        if let Err((_, trouble)) = self.download(std::slice::from_ref(tarball), progress) {
            return Err(Error::Packages(trouble.of_archive()?));
        }
        let path = self.store.path(&tarball.sha256);
        match compression::untar_named(&tarball.file, &path, folder, wanted) {
            Err(Error::Io { source, .. }) if !is_local(&source) => {
                self.store.forget(&tarball.sha256)?;
                let package = tarball.title();
                Err(Error::Unpack { package, source })
            }
            other => other,
        }
    }
}

/// The tarballs of `name` in the text of a list, the newest first.
fn read(text: &str, name: &str, suite: &str, base: &str) -> Vec<Record> {
    let (suite, base) = (Rc::from(suite), Rc::from(base));
    let all = control::paragraphs(text).filter(|each| each.get("Package") == Some(name));
    let mut found: Vec<Record> = all
        .filter_map(|paragraph| tarball(paragraph, &suite, &base))
        .collect();
    found.sort_by(|a, b| deb_version::compare(&b.version, &a.version));
    found
}

fn tarball(paragraph: Paragraph<'_>, suite: &Rc<str>, base: &Rc<str>) -> Option<Record> {
    let folder = paragraph.get("Directory")?;
    let line = paragraph.lines("Checksums-Sha256").find(|line| {
        let file = line.rsplit(' ').next().unwrap_or_default();
        file.contains(".orig.tar.") && !file.ends_with(".asc")
    })?;
    let mut words = line.split_whitespace();
    let (sha256, bytes, file) = (words.next()?, words.next()?, words.next()?);
    Some(Record {
        name: paragraph.get("Package")?.to_owned(),
        version: paragraph.get("Version")?.to_owned(),
        arch: ARCH.to_owned(),
        depends: String::new(),
        provides: String::new(),
        file: format!("{folder}/{file}"),
        bytes: bytes.parse().ok()?,
        sha256: sha256.to_ascii_lowercase(),
        suite: Rc::clone(suite),
        base: Rc::clone(base),
    })
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn tarballs_are_found_and_other_files_of_the_package_are_not() {
        let text = "Package: a\nVersion: 1:2+ds-1\nDirectory: pool/a\nChecksums-Sha256:\n \
                    01 7 a_2.dsc\n 0A 9 a_2+ds.orig.tar.xz\n 03 5 a_2+ds.orig.tar.xz.asc\n \
                    04 5 a_2.debian.tar.xz\n\nPackage: b\nVersion: 9\n\n\
                    Package: a\nVersion: 1:10-1\nDirectory: pool/a\nChecksums-Sha256:\n \
                    0b 8 a_10.orig.tar.gz\n";
        let found = read(text, "a", "sid", "http://m/");
        let told: Vec<_> = found
            .iter()
            .map(|each| (each.file.as_str(), each.bytes, each.sha256.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("pool/a/a_10.orig.tar.gz", 8, "0b"),
                ("pool/a/a_2+ds.orig.tar.xz", 9, "0a")
            ]
        );
        assert!(read(text, "b", "sid", "http://m/").is_empty());
    }
}
