//! The parts of a Linux guest for s390x.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cache::Cache;
use crate::entry::Entry;
use crate::error::Error;
use crate::progress::Progress;
use crate::request::{Closure, Request};

/// Suites to take the guest from, best first. A suite may be out of order on any day: then the next
/// one serves as well. The first two have Linux 6.12.
const SUITES: [&str; 3] = ["trixie", "bookworm-backports", "bookworm"];
const SUITE_VARIABLE: &str = "VFIO_USER_ISM_GUEST_SUITE";
const ARCH: &str = "s390x";
const META: &str = "linux-image-s390x";
const BUSYBOX: &str = "busybox-static";

/// Debian's kernel and busybox for s390x, unpacked.
#[derive(Clone, Debug)]
pub struct Guest {
    /// The kernel image, for QEMU's `-kernel`.
    pub kernel: PathBuf,
    /// The kernel's release, as `uname -r` says it: also the name of its folder of modules.
    pub release: String,
    /// The kernel's modules: the folder that holds `kernel/`.
    pub modules: PathBuf,
    /// A static busybox, for [`crate::Initramfs::new`].
    pub busybox: PathBuf,
    /// The cache entry they are in.
    pub entry: Entry,
}

impl Guest {
    /// The parts from the suite that `$VFIO_USER_ISM_GUEST_SUITE` names, else from Debian trixie, or
    /// from bookworm-backports or bookworm where trixie's cannot be had: from the cache, or fetched
    /// now. What is in the cache is taken without asking for a better suite, but for bookworm's.
    ///
    /// # Errors
    /// [`Error::NoSuite`] when no suite has them.
    pub fn fetch(cache: &Cache) -> Result<Self, Error> {
        if let Some(suite) = std::env::var(SUITE_VARIABLE).ok().filter(|s| !s.is_empty()) {
            return Self::of_suite(cache, &suite);
        }
        let last = SUITES.len() - 1;
        if let Some(entry) = in_cache(cache, SUITES.get(..last).unwrap_or_default()) {
            return Self::in_entry(entry);
        }
        first_that_works(&SUITES, |suite| Self::of_suite(cache, suite))
    }

    /// The parts from `suite`.
    ///
    /// # Errors
    /// As [`Cache::packages`].
    pub fn of_suite(cache: &Cache, suite: &str) -> Result<Self, Error> {
        Self::in_entry(cache.packages(&request(suite))?)
    }

    fn in_entry(entry: Entry) -> Result<Self, Error> {
        let root = entry.root();
        let missing = |expected: &str, folder: &Path| Error::Missing {
            packages: format!("{META} and {BUSYBOX}"),
            expected: expected.to_owned(),
            folder: folder.to_path_buf(),
        };
        let boot = root.join("boot");
        let release = fs::read_dir(&boot)
            .map_err(Error::io("read", &boot))?
            .filter_map(|item| item.ok()?.file_name().into_string().ok())
            .find_map(|name| name.strip_prefix("vmlinuz-").map(str::to_owned))
            .ok_or_else(|| missing("boot/vmlinuz-*", &root))?;
        // Older suites keep these outside usr/.
        let either = |path: &str| {
            let places = [root.join("usr").join(path), root.join(path)];
            let found = places.into_iter().find(|place| place.exists());
            found.ok_or_else(|| missing(path, &root))
        };
        Ok(Self {
            kernel: boot.join(format!("vmlinuz-{release}")),
            modules: either(&format!("lib/modules/{release}"))?,
            busybox: either("bin/busybox")?,
            release,
            entry,
        })
    }
}

fn request(suite: &str) -> Request {
    Request {
        name: format!("guest-{suite}-{ARCH}"),
        suite: suite.to_owned(),
        arch: ARCH.to_owned(),
        packages: vec![BUSYBOX.to_owned()],
        metas: vec![META.to_owned()],
        closure: Closure::Named,
    }
}

/// The entry of the first of `suites` that was fetched before.
fn in_cache(cache: &Cache, suites: &[&str]) -> Option<Entry> {
    suites.iter().find_map(|suite| cache.have(&request(suite)))
}

/// What `fetch` gives for the first of `suites` that works. The error names all that were tried.
fn first_that_works<T>(
    suites: &[&str],
    mut fetch: impl FnMut(&str) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut tried = Vec::new();
    for suite in suites {
        match fetch(suite) {
            Ok(found) => return Ok(found),
            Err(error) => {
                let words = format!("{suite}: {error}");
                Progress::new("guest").say(&words);
                tried.push(words);
            }
        }
    }
    Err(Error::NoSuite {
        what: "a Linux guest".to_owned(),
        tried: tried.join("\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(files: &[&str]) -> (tempfile::TempDir, Entry) {
        let dir = tempfile::tempdir().unwrap();
        let partial = dir.path().join("partial");
        for file in files {
            let path = partial.join("root").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        let request = Request {
            name: "toy".into(),
            suite: "trixie".into(),
            arch: "s390x".into(),
            packages: vec![],
            metas: vec![],
            closure: Closure::Named,
        };
        let folder = dir.path().join("toy");
        let entry = Entry::seal(&partial, &folder, &request, vec![]).unwrap();
        (dir, entry)
    }

    #[test]
    fn finds_the_parts_in_old_and_new_places() {
        for usr in ["", "usr/"] {
            let (_dir, entry) = entry(&[
                "boot/config-6.12.1+deb13-s390x",
                "boot/vmlinuz-6.12.1+deb13-s390x",
                &format!("{usr}bin/busybox"),
                &format!("{usr}lib/modules/6.12.1+deb13-s390x/kernel/x.ko"),
            ]);
            let guest = Guest::in_entry(entry).unwrap();
            assert_eq!(guest.release, "6.12.1+deb13-s390x");
            assert!(guest.kernel.is_file() && guest.busybox.is_file());
            assert!(guest.modules.join("kernel/x.ko").is_file());
        }
    }

    #[test]
    fn says_which_file_the_packages_lack() {
        let (_dir, entry) = entry(&["boot/vmlinuz-6", "lib/modules/6/x.ko"]);
        let text = Guest::in_entry(entry).unwrap_err().to_string();
        assert!(text.contains("should hold bin/busybox"), "{text}");
    }

    #[test]
    fn the_best_suite_that_was_fetched_before_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        let suites = ["new", "old"];
        assert!(in_cache(&cache, &suites).is_none());
        for suite in ["old", "new"] {
            let request = request(suite);
            let partial = dir.path().join("partial");
            fs::create_dir_all(partial.join("root")).unwrap();
            let folder = dir.path().join("entries").join(&request.name);
            fs::create_dir_all(folder.parent().unwrap()).unwrap();
            Entry::seal(&partial, &folder, &request, vec![]).unwrap();
            let found = in_cache(&cache, &suites).unwrap();
            assert!(found.folder().ends_with(&request.name));
        }
    }

    #[test]
    fn the_next_suite_serves_whatever_fails() {
        let failures: [fn() -> Error; 2] = [
            || Error::Lists {
                action: "reading".to_owned(),
                words: "E: unexpected size".to_owned(),
            },
            || Error::Failed {
                action: "downloading".to_owned(),
                tool: "apt-get".to_owned(),
                words: "404 Not Found".to_owned(),
            },
        ];
        for failure in failures {
            let found = first_that_works(&["new", "old"], |suite| match suite {
                "new" => Err(failure()),
                other => Ok(other.to_owned()),
            });
            assert_eq!(found.unwrap(), "old");
            let none = first_that_works(&["new", "old"], |_| Err::<(), _>(failure()));
            let text = none.unwrap_err().to_string();
            for suite in ["new", "old"] {
                assert!(text.contains(&format!("{suite}: {}", failure())), "{text}");
            }
        }
    }
}
