//! What the `fetch` subcommand does.

use std::fmt;
use std::path::PathBuf;

use crate::cache::Cache;
use crate::entry::Entry;
use crate::error::Error;
use crate::guest::Guest;
use crate::{qemu, size};

/// What to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// QEMU for s390x and x86-64.
    Qemu,
    /// A kernel and busybox for s390x.
    Guest,
    /// Both.
    All,
}

/// One part that is now in the cache.
#[derive(Clone, Debug)]
pub struct Part {
    /// What it is, with its version.
    pub title: String,
    /// The files to use.
    pub files: Vec<PathBuf>,
    /// Bytes that were downloaded for it, now or earlier.
    pub bytes_fetched: u64,
    /// Bytes it takes in the cache.
    pub bytes_unpacked: u64,
    /// Whether it was fetched by this call.
    pub fetched_now: bool,
}

/// What is in the cache now. Its text form is for people.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The parts asked for.
    pub parts: Vec<Part>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            let how = if part.fetched_now {
                "fetched"
            } else {
                "in the cache"
            };
            writeln!(
                f,
                "{}: {how}, {} downloaded, {} on disk",
                part.title,
                size::text(part.bytes_fetched),
                size::text(part.bytes_unpacked)
            )?;
            for file in &part.files {
                writeln!(f, "  {}", file.display())?;
            }
        }
        Ok(())
    }
}

/// Puts `what` into the cache, if it is not there, and tells where it is.
///
/// # Errors
/// As [`Cache::packages`].
pub fn run(what: What) -> Result<Summary, Error> {
    let cache = Cache::locate()?;
    let mut parts = Vec::new();
    if matches!(what, What::Qemu | What::All) {
        let entry = qemu::fetch(&cache)?;
        let bin = entry.folder().join("bin");
        let files = ["qemu-system-s390x", "qemu-system-x86_64"].map(|name| bin.join(name));
        parts.push(part("QEMU", "qemu-system-common", &entry, files.to_vec()));
    }
    if matches!(what, What::Guest | What::All) {
        let guest = Guest::fetch(&cache)?;
        let title = format!("Linux {} and busybox for s390x", guest.release);
        let files = vec![guest.kernel, guest.busybox];
        parts.push(part(&title, "busybox-static", &guest.entry, files));
    }
    Ok(Summary { parts })
}

fn part(title: &str, package: &str, entry: &Entry, files: Vec<PathBuf>) -> Part {
    let version = entry.package(package).map_or("", |p| p.version.as_str());
    Part {
        title: format!("{title} ({package} {version})"),
        files,
        bytes_fetched: entry.bytes_fetched(),
        bytes_unpacked: entry.bytes_unpacked(),
        fetched_now: entry.fetched_now(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_tells_sizes_and_files() {
        let summary = Summary {
            parts: vec![Part {
                title: "QEMU (qemu-system-common 1:11.1.3)".into(),
                files: vec!["/c/bin/qemu-system-s390x".into()],
                bytes_fetched: 41_100_000,
                bytes_unpacked: 110_000_000,
                fetched_now: false,
            }],
        };
        assert_eq!(
            summary.to_string(),
            "QEMU (qemu-system-common 1:11.1.3): in the cache, 41.1 MB downloaded, \
             110.0 MB on disk\n  /c/bin/qemu-system-s390x\n"
        );
    }
}
