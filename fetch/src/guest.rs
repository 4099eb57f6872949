//! The parts of a Linux guest for s390x.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cache::Cache;
use crate::closure::Closure;
use crate::entry::Entry;
use crate::error::Error;
use crate::kernel::{BUSYBOX, GUEST_ARCH};
use crate::series::Series;
use crate::suites::For;
use crate::workshop::Wanted;

/// Name of the entry for a guest of any series.
const ENTRY: &str = "guest";
/// The possible series of that guest, best first.
const ANY: [Series; 3] = [Series::LINUX_6_12, Series::Of(6, 1), Series::Newest];
/// Increment it if the same packages now give other files.
const KEY: &str = "recipe 1";

/// Debian's kernel and busybox for s390x, unpacked.
#[derive(Clone, Debug)]
pub struct Guest {
    /// The kernel image, for QEMU's `-kernel`.
    pub kernel: PathBuf,
    /// The kernel's release, as in `uname -r`. It is also the name of its folder of modules.
    pub release: String,
    /// The folder of the kernel's modules, which contains `kernel/`.
    pub modules: PathBuf,
    /// A static busybox, for [`crate::Initramfs::new`].
    pub busybox: PathBuf,
    /// The cache entry with these files.
    pub entry: Entry,
}

impl Guest {
    /// The parts of Linux 6.12, or of another series if there is no 6.12. They are from the cache, or fetched
    /// now.
    ///
    /// # Errors
    /// [`Error::NothingLeft`] when no suite has them; others when this machine is at fault.
    pub fn fetch(cache: &Cache) -> Result<Self, Error> {
        Self::of(cache, ENTRY, &ANY)
    }

    /// The parts of a kernel of `series`.
    ///
    /// # Errors
    /// As [`Guest::fetch`].
    pub fn of_series(cache: &Cache, series: Series) -> Result<Self, Error> {
        Self::of(cache, &format!("{ENTRY}-{series}"), &[series])
    }

    /// The parts that [`Guest::fetch`] would return without the network, if they are in the cache.
    pub fn have(cache: &Cache) -> Option<Self> {
        Self::in_entry(cache.have_built(ENTRY, KEY, For::Guest)?).ok()
    }

    fn of(cache: &Cache, name: &str, series: &[Series]) -> Result<Self, Error> {
        let entry = cache.built(name, KEY, For::Guest, |workshop| {
            workshop.with_kernel(series, |kernel| {
                let mut wanted: Vec<_> = kernel.image()?.iter().map(|n| kernel.wanted(n)).collect();
                wanted.push(Wanted::any(BUSYBOX));
                let shelf = workshop.shelf(kernel.suite(), GUEST_ARCH)?;
                shelf.unpack(&wanted, Closure::Named, &workshop.root())?;
                Parts::find(&workshop.root()).map(drop)
            })
        })?;
        Self::in_entry(entry)
    }

    fn in_entry(entry: Entry) -> Result<Self, Error> {
        let parts = Parts::find(&entry.root())?;
        Ok(Self {
            kernel: parts.kernel,
            modules: parts.modules,
            busybox: parts.busybox,
            release: parts.release,
            entry,
        })
    }
}

/// The files of a guest, from the packages of a kernel and busybox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The kernel's image.
    pub kernel: PathBuf,
    /// The kernel's release.
    pub release: String,
    /// The kernel's folder of modules.
    pub modules: PathBuf,
    /// A static busybox.
    pub busybox: PathBuf,
}

impl Parts {
    /// Finds the files in the folder `root` of unpacked packages.
    ///
    /// # Errors
    /// [`Error::Missing`] when one is not there.
    pub fn find(root: &Path) -> Result<Self, Error> {
        let missing = |expected: &str| missing(root, expected);
        let all = either(root, "lib/modules").ok_or_else(|| missing("lib/modules"))?;
        let read = fs::read_dir(&all).map_err(Error::io("read", &all))?;
        let names = read.filter_map(|item| item.ok()?.file_name().into_string().ok());
        let release = names.max().ok_or_else(|| missing("lib/modules/*"))?;
        let modules = all.join(&release);
        // Newer kernels have the image beside the modules.
        let images = [
            root.join(format!("boot/vmlinuz-{release}")),
            modules.join("vmlinuz"),
        ];
        let image = images.into_iter().find(|path| path.is_file());
        Ok(Self {
            kernel: image.ok_or_else(|| missing(&format!("boot/vmlinuz-{release}")))?,
            modules,
            busybox: Self::busybox(root)?,
            release,
        })
    }

    /// Finds the static busybox in the folder `root` of unpacked packages.
    ///
    /// # Errors
    /// [`Error::Missing`] when it is not there.
    pub fn busybox(root: &Path) -> Result<PathBuf, Error> {
        const PATH: &str = "bin/busybox";
        either(root, PATH).ok_or_else(|| missing(root, PATH))
    }
}

fn missing(root: &Path, expected: &str) -> Error {
    Error::Missing {
        packages: "a kernel's packages and busybox".to_owned(),
        expected: expected.to_owned(),
        folder: root.to_path_buf(),
    }
}

/// `path` below `root`. Older suites have it outside of usr/.
fn either(root: &Path, path: &str) -> Option<PathBuf> {
    let places = [root.join("usr").join(path), root.join(path)];
    places.into_iter().find(|place| place.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        dir
    }

    #[test]
    fn finds_the_parts_in_old_and_new_places() {
        let release = "6.12.1+deb13-s390x";
        for usr in ["", "usr/"] {
            for image in [
                format!("boot/vmlinuz-{release}"),
                format!("{usr}lib/modules/{release}/vmlinuz"),
            ] {
                let dir = root(&[
                    "boot/config-6.12.1+deb13-s390x",
                    &image,
                    &format!("{usr}bin/busybox"),
                    &format!("{usr}lib/modules/{release}/kernel/x.ko"),
                ]);
                let parts = Parts::find(dir.path()).unwrap();
                assert_eq!(parts.release, release);
                assert_eq!(parts.kernel, dir.path().join(image));
                assert!(parts.busybox.is_file());
                assert!(parts.modules.join("kernel/x.ko").is_file());
            }
        }
    }

    #[test]
    fn says_which_file_the_packages_lack() {
        for (files, words) in [
            (
                vec!["boot/vmlinuz-6", "lib/modules/6/x.ko"],
                "should hold bin/busybox",
            ),
            (
                vec!["bin/busybox", "lib/modules/6/x.ko"],
                "should hold boot/vmlinuz-6",
            ),
            (
                vec!["bin/busybox", "boot/vmlinuz-6"],
                "should hold lib/modules",
            ),
        ] {
            let dir = root(&files);
            let text = Parts::find(dir.path()).unwrap_err().to_string();
            assert!(text.contains(words), "{text}");
        }
    }
}
