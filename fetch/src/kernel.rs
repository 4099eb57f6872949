//! Debian's kernels for s390x, by series.

use std::cmp::Ordering;

use crate::archive::{Lists, Record, compare, upstream};
use crate::error::Error;
use crate::series::Series;
use crate::suites;
use crate::workshop::{Fault, Wanted, Workshop, first_names};

/// The architecture of the guests.
pub const GUEST_ARCH: &str = "s390x";
/// The package with a static busybox.
pub const BUSYBOX: &str = "busybox-static";
/// Number of versions of a kernel to try in one suite.
const VERSIONS: usize = 3;

/// A kernel in a list.
#[derive(Clone)]
pub struct Kernel {
    suite: String,
    version: String,
    release: String,
    lists: Lists,
}

/// The packages of a kernel, by name. All have the kernel's version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelPackages {
    /// Packages with image and modules.
    pub image: Vec<String>,
    /// Packages with the headers for modules.
    pub headers: Vec<String>,
    /// Package with the source.
    pub source: String,
    /// Package with the programs of the kernel's build, for the building machine.
    pub kbuild: String,
    /// The compiler of the kernel, for example `gcc-12`.
    pub gcc: String,
}

impl Kernel {
    /// The suite of the list.
    pub fn suite(&self) -> &str {
        &self.suite
    }

    /// Debian version of the kernel, for example `6.12.95-1~bpo12+1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The kernel's release, as in `uname -r`.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// Suite and version, as text for messages.
    pub fn title(&self) -> String {
        format!("{}, Linux {}", self.suite, self.version)
    }

    /// The package `name` in this kernel's version.
    pub fn wanted(&self, name: &str) -> Wanted {
        Wanted::exactly(name, &self.version)
    }

    /// The packages of the bootable image.
    ///
    /// # Errors
    /// When the lists lack it.
    pub fn image(&self) -> Result<Vec<String>, Error> {
        let name = format!("linux-image-{}", self.release);
        let depends = first_names(self.record(&name)?).into_iter();
        // Newer kernels have separate packages for the image and the modules.
        let parts =
            depends.filter(|n| n.starts_with("linux-binary-") || n.starts_with("linux-modules-"));
        Ok(std::iter::once(name.clone()).chain(parts).collect())
    }

    /// All packages for building modules.
    ///
    /// # Errors
    /// When the lists lack a package, or one does not depend on what it should.
    pub fn packages(&self) -> Result<KernelPackages, Error> {
        let headers = format!("linux-headers-{}", self.release);
        let depends = first_names(self.record(&headers)?);
        let one = |start: &str, end: &str| {
            let mut names = depends.iter();
            let found = names.find(|name| name.starts_with(start) && name.ends_with(end));
            found.cloned().ok_or_else(|| {
                Error::Packages(format!(
                    "the package {headers} should depend on one named {start}*{end}, but has \
                     only: {}",
                    depends.join(", ")
                ))
            })
        };
        let common = one("linux-headers-", "-common")?;
        let kbuild = one("linux-kbuild-", "")?;
        // The name is gcc-12, or gcc-16-for-host.
        let gcc = one("gcc-", "")?;
        let gcc = gcc.strip_suffix("-for-host").unwrap_or(&gcc).to_owned();
        self.record(&common)?;
        Ok(KernelPackages {
            image: self.image()?,
            headers: vec![headers.clone(), common],
            source: self.source()?,
            kbuild,
            gcc,
        })
    }

    /// The package with its source.
    ///
    /// # Errors
    /// When the lists lack it.
    pub fn source(&self) -> Result<String, Error> {
        let (major, minor) = crate::series::numbers(upstream(&self.version))
            .ok_or_else(|| Error::Packages(format!("{} is no kernel's version", self.version)))?;
        let name = format!("linux-source-{major}.{minor}");
        self.record(&name)?;
        Ok(name)
    }

    /// Total size of `names` in this kernel's version. `names` may contain busybox.
    pub(crate) fn bytes(&self, names: &[String]) -> u64 {
        let sizes = names.iter().filter_map(|name| match name.as_str() {
            BUSYBOX => self.lists.versions(name).first().map(|record| record.bytes),
            _ => self.record(name).ok().map(|record| record.bytes),
        });
        sizes.sum()
    }

    fn record(&self, name: &str) -> Result<&Record, Error> {
        let mut versions = self.lists.versions(name).into_iter();
        versions
            .find(|record| record.version == self.version)
            .ok_or_else(|| {
                let version = &self.version;
                Error::Packages(format!("there is no package {name} {version}"))
            })
    }
}

impl Workshop {
    /// Calls `attempt` for one kernel of `series` after the other, until it works. Earlier series come first.
    ///
    /// # Errors
    /// [`Error::NothingLeft`] when none works; that of `attempt` when this machine is at fault.
    pub fn with_kernel<T, E: Fault>(
        &self,
        series: &[Series],
        mut attempt: impl FnMut(&Kernel) -> Result<T, E>,
    ) -> Result<T, E> {
        let names: Vec<_> = series.iter().map(ToString::to_string).collect();
        let mut tries = self.tries(format_args!(
            "Linux {} for {GUEST_ARCH}",
            names.join(" or ")
        ));
        for series in series {
            let suites = self.suites(suites::of_kernels(series.numbers()));
            // The newest kernel is known only after all lists.
            let all = *series == Series::Newest;
            let groups: Vec<&[String]> = if all {
                vec![&suites]
            } else {
                suites.chunks(1).collect()
            };
            for group in groups {
                let mut found = Vec::new();
                for suite in group {
                    match self.kernels(*series, suite) {
                        Ok(kernels) => found.extend(kernels),
                        Err(error) if error.is_local() => return Err(error.into()),
                        Err(error) => tries.failed(suite, &error),
                    }
                }
                if all {
                    found.sort_by(newest_first);
                }
                for kernel in found {
                    let candidate = kernel.title();
                    if let Some(done) = tries.attempt(&candidate, || attempt(&kernel))? {
                        self.set_suite(&kernel.suite);
                        return Ok(done);
                    }
                }
            }
        }
        Err(tries.nothing_left().into())
    }

    /// The kernels of `series` in the list of `suite`, the newest first.
    pub(crate) fn kernels(&self, series: Series, suite: &str) -> Result<Vec<Kernel>, Error> {
        let archive = self.archive()?;
        let index = archive.index(suite, GUEST_ARCH, self.progress())?;
        let mut found: Vec<(&str, &Record)> = index
            .records()
            .iter()
            .filter_map(|record| Some((release(&record.name)?, record)))
            .filter(|(_, record)| series.has(upstream(&record.version)))
            .collect();
        if found.is_empty() {
            return Err(Error::lists(suite)(format!("it has no Linux {series}")));
        }
        found.sort_by(|(_, a), (_, b)| compare(&b.version, &a.version));
        found.truncate(VERSIONS);
        let lists = archive.lists(suite, GUEST_ARCH, self.progress())?;
        let kernels = found.into_iter().map(|(release, record)| Kernel {
            suite: suite.to_owned(),
            version: record.version.clone(),
            release: release.to_owned(),
            lists: lists.clone(),
        });
        Ok(kernels.collect())
    }
}

pub(crate) fn newest_first(a: &Kernel, b: &Kernel) -> Ordering {
    compare(&b.version, &a.version)
}

/// The release of the kernel whose image is in the package `name`. None if it is no kernel package.
fn release(name: &str) -> Option<&str> {
    let release = name.strip_prefix("linux-image-")?;
    let numbered = release.starts_with(|c: char| c.is_ascii_digit());
    (numbered && release.ends_with("-s390x") && !release.contains("-rt")).then_some(release)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Index;
    use std::rc::Rc;

    fn kernel(release: &str, version: &str, packages: &[(&str, &str)]) -> Kernel {
        let text: String = packages
            .iter()
            .map(|(name, depends)| {
                format!(
                    "Package: {name}\nVersion: {version}\nDepends: {depends}\nFilename: f\n\
                     Size: 7\nSHA256: {name}\n\n"
                )
            })
            .collect();
        Kernel {
            suite: "suite".to_owned(),
            version: version.to_owned(),
            release: release.to_owned(),
            lists: Lists(vec![Rc::new(Index::read(&text, "suite", "http://m/"))]),
        }
    }

    /// Packages as in bookworm-backports.
    const OLD: &[(&str, &str)] = &[
        (
            "linux-image-6.12.95+deb12-s390x",
            "kmod, linux-base, initramfs-tools",
        ),
        (
            "linux-headers-6.12.95+deb12-s390x",
            "linux-base, linux-headers-6.12.95+deb12-common (= 6.12.95-1~bpo12+1), \
             linux-image-6.12.95+deb12-s390x, linux-kbuild-6.12.95+deb12, gcc-12",
        ),
        ("linux-headers-6.12.95+deb12-common", ""),
        ("linux-source-6.12", ""),
    ];

    /// Packages as in sid.
    const NEW: &[(&str, &str)] = &[
        (
            "linux-image-7.2.13+deb14-s390x",
            "dracut | initramfs-tools, linux-binary-7.2.13+deb14-s390x, \
             linux-modules-7.2.13+deb14-s390x",
        ),
        ("linux-binary-7.2.13+deb14-s390x", ""),
        ("linux-modules-7.2.13+deb14-s390x", ""),
        (
            "linux-headers-7.2.13+deb14-s390x",
            "gcc-16-for-host, linux-base, linux-headers-7.2.13+deb14-common, \
             linux-kbuild-7.2.13+deb14",
        ),
        ("linux-headers-7.2.13+deb14-common", ""),
        ("linux-source-7.2", ""),
    ];

    #[test]
    fn old_and_new_ways_of_packaging() {
        let old = kernel("6.12.95+deb12-s390x", "6.12.95-1~bpo12+1", OLD);
        let packages = old.packages().unwrap();
        assert_eq!(packages.image, ["linux-image-6.12.95+deb12-s390x"]);
        assert_eq!(packages.source, "linux-source-6.12");
        assert_eq!(packages.kbuild, "linux-kbuild-6.12.95+deb12");
        assert_eq!(packages.gcc, "gcc-12");
        assert_eq!(old.bytes(&packages.headers), 14);

        let new = kernel("7.2.13+deb14-s390x", "7.2.13-1", NEW)
            .packages()
            .unwrap();
        assert_eq!(new.image.len(), 3);
        assert_eq!(new.gcc, "gcc-16");
    }

    #[test]
    fn what_is_missing_is_named() {
        let text = |packages| {
            let kernel = kernel("6.12.95+deb12-s390x", "6.12.95-1~bpo12+1", packages);
            kernel.packages().unwrap_err().to_string()
        };
        assert_eq!(
            text(&OLD[..3]),
            "there is no package linux-source-6.12 6.12.95-1~bpo12+1"
        );
        let renamed = [("linux-headers-6.12.95+deb12-s390x", "linux-base, gcc-12")];
        let words = text(&[OLD[0], renamed[0]]);
        assert!(
            words.contains("should depend on one named linux-headers-*-common"),
            "{words}"
        );
    }

    #[test]
    fn only_plain_images_are_kernels() {
        assert_eq!(
            release("linux-image-6.1.0-47-s390x"),
            Some("6.1.0-47-s390x")
        );
        for other in [
            "linux-image-s390x",
            "linux-image-6.12.1-s390x-dbg",
            "linux-image-6.12.1-rt-s390x",
            "linux-headers-6.12.1-s390x",
        ] {
            assert_eq!(release(other), None, "{other}");
        }
    }
}
