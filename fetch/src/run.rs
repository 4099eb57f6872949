//! Carries out the `fetch` subcommand.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::args::{FetchArgs, FetchWhat};
use crate::cache::Cache;
use crate::entry::Entry;
use crate::error::Error;
use crate::guest::Guest;
use crate::qemu::{self, Machine, Origin, Qemu};
use crate::size;

/// A usable part.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// Name of the part, with its version.
    pub title: String,
    /// The files of the part.
    pub files: Vec<PathBuf>,
    /// The source of the part.
    pub source: Source,
}

/// The source of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// This machine: an environment variable names the part, or it is on `PATH`.
    Machine,
    /// Debian's archive.
    Debian {
        /// The suite. Empty if it is unknown.
        suite: String,
        /// Downloaded bytes, now or earlier.
        bytes_fetched: u64,
        /// Bytes in the cache.
        bytes_unpacked: u64,
        /// Whether this call fetched it.
        fetched_now: bool,
    },
}

impl Source {
    /// The source of the parts in `entry`.
    pub fn of(entry: &Entry) -> Self {
        Self::Debian {
            suite: entry.suite().to_owned(),
            bytes_fetched: entry.bytes_fetched(),
            bytes_unpacked: entry.bytes_unpacked(),
            fetched_now: entry.fetched_now(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Debian {
            suite,
            bytes_fetched,
            bytes_unpacked,
            fetched_now,
        } = self
        else {
            return f.write_str("this machine's own");
        };
        let how = if *fetched_now {
            "fetched"
        } else {
            "in the cache"
        };
        let (fetched, unpacked) = (size::text(*bytes_fetched), size::text(*bytes_unpacked));
        let from = if suite.is_empty() { "" } else { " from " };
        write!(
            f,
            "{how}{from}{suite}, {fetched} in packages, {unpacked} on disk"
        )
    }
}

/// The usable parts. The text form is for people.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The requested parts.
    pub parts: Vec<Part>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            writeln!(f, "{}: {}", part.title, part.source)?;
            for file in &part.files {
                writeln!(f, "  {}", file.display())?;
            }
        }
        Ok(())
    }
}

/// Makes the parts of `args` usable. Fetches those that this machine lacks, and returns their paths. It
/// leaves out the lab's kernels: see [`FetchArgs::lab_kernels`].
///
/// # Errors
/// As [`Qemu::find`] and [`Guest::fetch`].
pub fn run(args: &FetchArgs, cache: &Cache) -> Result<Summary, Error> {
    let mut parts = Vec::new();
    if let Some(arch) = &args.arch {
        if args.what != FetchWhat::Qemu {
            return Err(Error::ArchWithoutQemu);
        }
        let (entry, files) = qemu::fetch_for(cache, arch)?;
        let title = format!("QEMU for {arch} hosts");
        let source = Source::of(&entry);
        let parts = vec![Part {
            title,
            files,
            source,
        }];
        return Ok(Summary { parts });
    }
    if matches!(args.what, FetchWhat::Qemu | FetchWhat::All) {
        parts = qemu_parts(cache)?;
    }
    if matches!(args.what, FetchWhat::Guest | FetchWhat::All) {
        let guests = match args.kernel.as_slice() {
            [] => vec![Guest::fetch(cache)?],
            series => {
                let guests = series.iter().map(|each| Guest::of_series(cache, *each));
                guests.collect::<Result<_, _>>()?
            }
        };
        parts.extend(guests.into_iter().map(|guest| Part {
            title: format!("Linux {} and busybox for s390x", guest.release),
            files: vec![guest.kernel, guest.busybox],
            source: Source::of(&guest.entry),
        }));
    }
    Ok(Summary { parts })
}

fn qemu_parts(cache: &Cache) -> Result<Vec<Part>, Error> {
    // One entry holds QEMU for both machines. The first request shows whether this call fetched it.
    let before = qemu::have(cache);
    let mut parts: Vec<Part> = Vec::new();
    for machine in Machine::ALL {
        let found = Qemu::find(machine, None, cache)?;
        let source = match (found.origin, qemu::have(cache)) {
            (Origin::Cache, Some(mut entry)) => {
                entry.set_fetched_now(before.is_none());
                Source::of(&entry)
            }
            _ => Source::Machine,
        };
        let title = format!("QEMU {}", found.version);
        match parts.last_mut() {
            Some(last) if last.title == title && last.source == source => {
                last.files.push(found.program);
            }
            _ => parts.push(Part {
                title,
                files: vec![found.program],
                source,
            }),
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Format;

    #[test]
    fn the_summary_tells_sizes_and_files() {
        let summary = Summary {
            parts: vec![
                Part {
                    title: "QEMU 11.1.3".into(),
                    files: vec!["/usr/bin/qemu-system-x86_64".into()],
                    source: Source::Machine,
                },
                Part {
                    title: "Linux 6.12".into(),
                    files: vec!["/c/vmlinuz".into(), "/c/busybox".into()],
                    source: Source::Debian {
                        suite: "trixie".into(),
                        bytes_fetched: 31_300_000,
                        bytes_unpacked: 147_200_000,
                        fetched_now: false,
                    },
                },
            ],
        };
        assert_eq!(
            summary.to_string(),
            "QEMU 11.1.3: this machine's own\n  /usr/bin/qemu-system-x86_64\n\
             Linux 6.12: in the cache from trixie, 31.3 MB in packages, 147.2 MB on disk\n  \
             /c/vmlinuz\n  /c/busybox\n"
        );
        let json = Format::Json.text(&summary).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["parts"][0]["source"], "machine");
        assert_eq!(
            json["parts"][1]["source"]["debian"]["bytes_fetched"],
            31_300_000
        );
    }
}
