//! Lists the entries of the cache, and the parts that can be fetched.

use std::fmt;
use std::fs;

use serde::Serialize;

use crate::args::FetchArgs;
use crate::cache::Cache;
use crate::compiler::compiler_packages;
use crate::entry::{Entry, Package};
use crate::error::Error;
use crate::kernel::{BUSYBOX, newest_first};
use crate::progress::Progress;
use crate::qemu::PACKAGES;
use crate::series::{self, Series};
use crate::suites::{self, For};
use crate::workshop::{Wanted, Workshop};
use crate::{host, qemu, size};

/// The entries of the cache, and the parts that can be fetched.
#[derive(Clone, Debug, Serialize)]
pub struct Listing {
    cache: Present,
    available: Vec<Available>,
    /// Suites that cannot be used, with the reason.
    refused: Vec<Refused>,
}

#[derive(Clone, Debug, Serialize)]
struct Present {
    folder: String,
    entries: Vec<PresentEntry>,
    /// Bytes of the kept package files and lists.
    bytes_downloads: u64,
}

#[derive(Clone, Debug, Serialize)]
struct PresentEntry {
    name: String,
    suite: String,
    /// Version of the entry's kernel or QEMU.
    version: String,
    bytes_fetched: u64,
    bytes_unpacked: u64,
    packages: Vec<Package>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Qemu,
    Kernel,
    Compiler,
    /// Source of a QEMU that can be built with the zPCI changes.
    QemuZpci,
}

#[derive(Clone, Debug, Serialize)]
struct Available {
    kind: Kind,
    /// Series, for a kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    series: Option<String>,
    version: String,
    suite: String,
    /// Bytes to download. For a kernel, those of a plain guest.
    bytes: u64,
    /// For a kernel, bytes to download for the lab, without the compiler.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_lab: Option<u64>,
}

impl Available {
    fn new(kind: Kind, version: &str, suite: &str, bytes: u64) -> Self {
        Self {
            kind,
            series: None,
            version: version.to_owned(),
            suite: suite.to_owned(),
            bytes,
            bytes_lab: None,
        }
    }
}

#[derive(Clone, Debug, Serialize)]
struct Refused {
    suite: String,
    kind: Kind,
    reason: String,
}

/// Lists the cache and, unless `args` forbid the network, the parts that can be fetched.
///
/// # Errors
/// When this machine is at fault.
pub fn list(args: &FetchArgs, cache: &Cache) -> Result<Listing, Error> {
    let mut listing = Listing {
        cache: present(cache),
        available: Vec::new(),
        refused: Vec::new(),
    };
    if args.offline {
        return Ok(listing);
    }
    let progress = Progress::new("list");
    let _lock = cache.lock(&progress)?;
    let workshop = Workshop::new(cache, "list", For::Lab, progress)?;
    let read = listing.read(args, cache, &workshop);
    workshop.discard();
    read.map(|()| listing)
}

impl Listing {
    /// Adds a source that `fetch qemu-zpci` can build, even if no list names it.
    pub fn add_zpci_source(&mut self, version: &str, bytes: u64) {
        self.available
            .push(Available::new(Kind::QemuZpci, version, "tested", bytes));
    }

    fn read(&mut self, args: &FetchArgs, cache: &Cache, workshop: &Workshop) -> Result<(), Error> {
        let chosen = |what, known| cache.chosen_suites(what).unwrap_or(known);
        let mut kernels = Vec::new();
        let wanted: Vec<_> = if args.kernel.is_empty() {
            vec![Series::Newest]
        } else {
            args.kernel.clone()
        };
        for series in wanted {
            for suite in chosen(For::Lab, suites::of_kernels(series.numbers())) {
                let found = workshop.kernels(series, &suite);
                kernels.extend(
                    self.note(&suite, Kind::Kernel, found)?
                        .into_iter()
                        .flatten(),
                );
            }
        }
        kernels.sort_by(newest_first);
        self.available.extend(kernels.iter().map(|kernel| {
            let busybox = [BUSYBOX.to_owned()];
            let image = kernel.image().unwrap_or_default();
            let bytes = kernel.bytes(&image) + kernel.bytes(&busybox);
            let lab = kernel.packages().ok().map(|packages| {
                bytes + kernel.bytes(&packages.headers) + kernel.bytes(&[packages.source])
            });
            let numbers = series::numbers(kernel.version());
            Available {
                series: numbers.map(|(major, minor)| format!("{major}.{minor}")),
                bytes_lab: lab,
                ..Available::new(Kind::Kernel, kernel.version(), kernel.suite(), bytes)
            }
        }));
        let platform = host::platform()?;
        for suite in chosen(For::Qemu, suites::of_qemu()) {
            let versions = qemu::versions(workshop, &suite, &platform, None);
            let versions = self.note(&suite, Kind::Qemu, versions)?;
            for version in versions.into_iter().flatten() {
                let wanted = PACKAGES.map(|name| Wanted::exactly(name, &version));
                self.add(
                    Kind::Qemu,
                    workshop,
                    &suite,
                    &version,
                    &wanted,
                    platform.arch,
                )?;
            }
        }
        for suite in chosen(For::Lab, suites::of_compiler()) {
            let name = workshop.compiler(&suite, platform.arch);
            if let Some(gcc) = self.note(&suite, Kind::Compiler, name)? {
                let wanted = compiler_packages(&gcc);
                self.add(
                    Kind::Compiler,
                    workshop,
                    &suite,
                    &gcc,
                    &wanted,
                    platform.arch,
                )?;
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        kind: Kind,
        workshop: &Workshop,
        suite: &str,
        version: &str,
        wanted: &[Wanted],
        arch: &str,
    ) -> Result<(), Error> {
        let bytes = workshop.bytes(suite, arch, wanted);
        if let Some(bytes) = self.note(suite, kind, bytes)? {
            self.available
                .push(Available::new(kind, version, suite, bytes));
        }
        Ok(())
    }

    /// Notes why a suite cannot be used.
    fn note<T>(
        &mut self,
        suite: &str,
        kind: Kind,
        found: Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_local() => Err(error),
            Err(error) => {
                self.refused.push(Refused {
                    suite: suite.to_owned(),
                    kind,
                    reason: error.to_string(),
                });
                Ok(None)
            }
        }
    }
}

fn present(cache: &Cache) -> Present {
    let downloads = fs::read_dir(cache.downloads()).into_iter().flatten();
    let files = downloads.filter_map(|item| item.ok()?.metadata().ok());
    Present {
        folder: cache.folder().display().to_string(),
        entries: cache.entries().iter().map(present_entry).collect(),
        bytes_downloads: files
            .filter(fs::Metadata::is_file)
            .map(|data| data.len())
            .sum(),
    }
}

fn present_entry(entry: &Entry) -> PresentEntry {
    let main = ["linux-image-", "qemu-system-s390x", "gcc-"];
    let mut packages = main.iter().filter_map(|start| {
        let mut all = entry.packages().iter();
        all.find(|package| package.name.starts_with(start))
    });
    let of_package = packages.next().map(|package| package.version.clone());
    // A QEMU that was built from source has its own description.
    let built = fs::read_to_string(entry.root().join("version")).ok();
    PresentEntry {
        name: entry.name(),
        suite: entry.suite().to_owned(),
        version: built.or(of_package).unwrap_or_default(),
        bytes_fetched: entry.bytes_fetched(),
        bytes_unpacked: entry.bytes_unpacked(),
        packages: entry.packages().to_vec(),
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Present {
            folder,
            entries,
            bytes_downloads,
        } = &self.cache;
        writeln!(f, "In the cache ({folder}):")?;
        for entry in entries {
            let (size, name) = (size::text(entry.bytes_unpacked), &entry.name);
            writeln!(
                f,
                "  {name:<20} {:<26} {size:>10}  {}",
                entry.version, entry.suite
            )?;
        }
        if entries.is_empty() {
            writeln!(f, "  nothing")?;
        }
        writeln!(
            f,
            "  downloaded files     {:>37}",
            size::text(*bytes_downloads)
        )?;
        for (kind, title) in [
            (
                Kind::Kernel,
                "Kernels that can be fetched (for a guest, for the lab):",
            ),
            (Kind::Qemu, "QEMUs that can be fetched:"),
            (
                Kind::QemuZpci,
                "Sources of QEMU that qemu-zpci was built from and tested with:",
            ),
            (Kind::Compiler, "Compilers that can be fetched:"),
        ] {
            let of_kind = || self.available.iter().filter(|each| each.kind == kind);
            if of_kind().next().is_none() {
                continue;
            }
            writeln!(f, "{title}")?;
            for each in of_kind() {
                let series = each.series.as_deref().unwrap_or_default();
                let lab = each.bytes_lab.map(size::text).unwrap_or_default();
                let line = format!(
                    "  {series:<6} {:<28} {:>10} {lab:>10}  {}",
                    each.version,
                    size::text(each.bytes),
                    each.suite
                );
                writeln!(f, "{}", line.trim_end())?;
            }
        }
        if !self.refused.is_empty() {
            writeln!(f, "Suites that cannot be used:")?;
        }
        for each in &self.refused {
            let kind = format!("{:?}", each.kind).to_lowercase();
            writeln!(f, "  {} ({kind}): {}", each.suite, each.reason)?;
        }
        Ok(())
    }
}
