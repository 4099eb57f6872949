//! A small Debian archive of dummy packages. It is created here, signed with its own key, and served on
//! loopback, correctly or with faults.

mod package;
mod server;
mod signature;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub use package::{Dummy, NATIVE, compressed, tar};
pub use server::{Asked, Fault};

use server::Server;
use signature::Key;

/// A suite for the archive.
#[derive(Clone)]
pub struct Suite {
    /// Name of the suite, which is also its codename.
    pub name: String,
    /// Packages of all architectures.
    pub packages: Vec<Dummy>,
    /// Source packages.
    pub sources: Vec<DummySource>,
    /// Time of creation, in seconds from now.
    pub made: i64,
    /// End of validity, in seconds from now.
    pub valid: Option<i64>,
    /// File endings of the lists: `.xz`, `.gz`, `.zst` or nothing.
    pub compressions: Vec<&'static str>,
    /// True if lists are also available by their hash.
    pub by_hash: bool,
    /// True if the signature is a separate file.
    pub detached: bool,
}

impl Suite {
    /// Creates a correct suite.
    pub fn new(name: &str, packages: Vec<Dummy>) -> Self {
        Self {
            name: name.to_owned(),
            packages,
            sources: Vec::new(),
            made: -3600,
            valid: Some(7 * 86_400),
            compressions: vec![".xz"],
            by_hash: true,
            detached: false,
        }
    }
}

/// A source package that consists of an upstream tarball.
#[derive(Clone)]
pub struct DummySource {
    /// Name of the package.
    pub name: String,
    /// Version of the package, with epoch.
    pub version: String,
    /// The tarball, compressed with xz.
    pub tarball: Vec<u8>,
}

impl DummySource {
    /// Path of the tarball from the archive's root.
    pub fn file(&self) -> String {
        let upstream = self.version.split_once(':').map_or("", |(_, rest)| rest);
        let upstream = upstream.rsplit_once('-').map_or(upstream, |(all, _)| all);
        format!("pool/main/{0}/{0}_{upstream}.orig.tar.xz", self.name)
    }

    /// Returns the package's paragraph in a list.
    fn paragraph(&self) -> String {
        let file = self.file();
        let (folder, file) = file.rsplit_once('/').unwrap();
        format!(
            "Package: {}\nBinary: {0}-tools\nVersion: {}\nFormat: 3.0 (quilt)\nFiles:\n \
             00 1 {file}\nChecksums-Sha256:\n 00 1 {0}.dsc\n {} {} {file}\n 00 1 \
             {file}.asc\nDirectory: {folder}\n\n",
            self.name,
            self.version,
            signature::sha256(&self.tarball),
            self.tarball.len(),
        )
    }
}

/// A running archive.
pub struct DebianArchive {
    key: Key,
    server: Server,
    folder: tempfile::TempDir,
}

impl DebianArchive {
    /// Starts an empty archive.
    pub fn start() -> Self {
        Self::start_at("127.0.0.1:0").unwrap()
    }

    /// Starts an empty archive at an address of this machine.
    ///
    /// # Errors
    /// This machine has no such address.
    pub fn start_at(address: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let folder = tempfile::tempdir().unwrap();
        let key = Key::new(7);
        fs::write(folder.path().join("keys"), key.public()).unwrap();
        fs::write(folder.path().join("foreign-keys"), Key::new(8).public()).unwrap();
        Ok(Self {
            key,
            server: Server::start(listener),
            folder,
        })
    }

    /// The URL of the server in its role as a proxy.
    pub fn proxy(&self) -> String {
        format!("http://{}/", self.server.address)
    }

    /// The URL of the archive.
    pub fn url(&self) -> String {
        format!("http://{}/debian/", self.server.address)
    }

    /// Path of the file with the archive's public key.
    pub fn keyring(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    /// Path of a file with another key.
    pub fn foreign_keyring(&self) -> PathBuf {
        self.folder.path().join("foreign-keys")
    }

    /// Path of an empty cache folder.
    pub fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// Path of any folder beside it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Publishes the lists and packages of `suite`.
    pub fn publish(&self, suite: &Suite) {
        let dists = format!("/{}/dists/{}", area(&suite.name), suite.name);
        // Texts by the folder and name of the list.
        let mut texts: BTreeMap<String, String> = BTreeMap::new();
        for source in &suite.sources {
            let file = format!("/{}/{}", area(&suite.name), source.file());
            self.put(&file, source.tarball.clone());
            *texts.entry("source/Sources".to_owned()).or_default() += &source.paragraph();
        }
        for package in &suite.packages {
            let bytes = package.bytes();
            let text = package.paragraph(&bytes);
            self.put(&format!("/{}/{}", area(&suite.name), package.file()), bytes);
            let archs: &[&str] = match package.arch.as_str() {
                "all" => &["amd64", "arm64", "s390x"],
                "native" => &[package::NATIVE],
                "amd64" => &["amd64"],
                _ => &["s390x"],
            };
            for arch in archs {
                let list = format!("binary-{arch}/Packages");
                *texts.entry(list).or_default() += &text;
            }
        }
        let mut sums = String::new();
        for (list, text) in texts {
            for end in &suite.compressions {
                let path = format!("main/{list}{end}");
                let data = compressed(end, text.as_bytes());
                let hash = signature::sha256(&data);
                sums += &format!(" {hash} {} {path}\n", data.len());
                if suite.by_hash {
                    let (folder, _) = list.split_once('/').unwrap();
                    let hashed = format!("{dists}/main/{folder}/by-hash/SHA256/{hash}");
                    self.put(&hashed, data.clone());
                }
                self.put(&format!("{dists}/{path}"), data);
            }
        }
        let by_hash = if suite.by_hash { "yes" } else { "no" };
        let valid = suite.valid.map(|at| format!("Valid-Until: {}\n", date(at)));
        let text = format!(
            "Origin: Dummy\nSuite: {0}\nCodename: {0}\nDate: {1}\n{2}Acquire-By-Hash: {by_hash}\n\
             SHA256:\n{sums}",
            suite.name,
            date(suite.made),
            valid.unwrap_or_default()
        );
        if suite.detached {
            self.put(
                &format!("{dists}/Release.gpg"),
                self.key.detached(text.as_bytes()),
            );
            self.put(&format!("{dists}/Release"), text.into_bytes());
        } else {
            self.put(
                &format!("{dists}/InRelease"),
                self.key.clear_signed(&text).into_bytes(),
            );
        }
    }

    /// Returns the bytes of a served file, by the end of its path.
    pub fn get(&self, end: &str) -> Vec<u8> {
        self.server.get(end)
    }

    /// Serves a file at a path from the server's root.
    pub fn put(&self, path: &str, bytes: Vec<u8>) {
        self.server.put(path, bytes);
    }

    /// Answers every request for a path that contains `part` with a fault.
    pub fn break_at(&self, part: &str, fault: Fault) {
        self.server.break_at(part, fault);
    }

    /// Removes all faults.
    pub fn mend(&self) {
        self.server.mend();
    }

    /// Returns the requests so far for paths that contain `part`.
    pub fn asked(&self, part: &str) -> Vec<Asked> {
        self.server.asked(part)
    }
}

/// Returns the folder of a suite, above `dists/` and `pool/`.
fn area(suite: &str) -> &'static str {
    if suite.ends_with("-security") {
        "debian-security"
    } else {
        "debian"
    }
}

/// Returns a date so many seconds from now, in the format of releases.
fn date(seconds: i64) -> String {
    let now = SystemTime::now();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let at = if seconds < 0 {
        now - distance
    } else {
        now + distance
    };
    httpdate::fmt_http_date(at).replace("GMT", "UTC")
}
