//! Examines the cache folder: its usable entries, the right to write, and the free space.

use std::fs;
use std::path::{Path, PathBuf};

use debian_fetch::{Cache, Entry, Error, Machine, Qemu};
use rustix::fs::statvfs;
use serde_json::json;

use crate::report::{Finding, State, Topic};

/// Most bytes that `fetch all` needs.
const NEEDED: u64 = 2_000_000_000;

#[derive(Debug)]
pub(super) struct Examined {
    /// Lines about the cache.
    pub findings: Vec<Finding>,
    /// Whether the cache has a lab guest.
    pub has_lab: bool,
}

/// Examines the cache folder. Creates nothing.
pub(super) fn examine(
    cache: Result<&Cache, &Error>,
    is_lab_guest: &dyn Fn(&Entry) -> bool,
) -> Examined {
    let cache = match cache {
        Ok(cache) => cache,
        Err(error) => {
            let finding = Finding::new(Topic::Cache, "cache", State::Missing, error.to_string())
                .fix("set HOME, XDG_CACHE_HOME or VFIO_USER_ISM_CACHE");
            return Examined {
                findings: vec![finding],
                has_lab: false,
            };
        }
    };
    let mut findings = vec![folder(cache.folder())];
    let (entries, has_lab) = entries(cache, is_lab_guest);
    findings.extend(entries);
    if !has_lab {
        findings.push(
            Finding::new(
                Topic::Cache,
                "lab-guest",
                State::Missing,
                "no lab guest yet",
            )
            .fix("`vfio-user-ism fetch lab` (minutes; `fetch list` shows the sizes)"),
        );
    }
    Examined { findings, has_lab }
}

/// The line about the folder itself: the right to write, and the free space.
fn folder(folder: &Path) -> Finding {
    let place = folder.display();
    // A missing folder will be made in the nearest existing one.
    let there = folder
        .ancestors()
        .find(|path| path.exists())
        .unwrap_or(Path::new("/"));
    let finding = |state, text: String| Finding::new(Topic::Cache, "cache", state, text);
    // The rights alone are not enough: root has them even on a read-only file system.
    if !(there.is_dir() && tempfile::tempfile_in(there).is_ok()) {
        return finding(
            State::Note,
            format!("{place}: cannot be written; nothing can be fetched"),
        )
        .fix("set VFIO_USER_ISM_CACHE to a folder that can be written");
    }
    let free = statvfs(there).map_or(0, |fs| fs.f_bavail.saturating_mul(fs.f_frsize));
    let text = format!("{place}: {} free", size(free));
    if free < NEEDED {
        return finding(
            State::Note,
            format!("{text}; fetching everything takes up to {}", size(NEEDED)),
        )
        .fix("make room, or set VFIO_USER_ISM_CACHE to a folder with more")
        .with(json!({ "free_bytes": free }));
    }
    finding(State::Good, text).with(json!({ "free_bytes": free }))
}

/// The lines about the entries, and whether the cache has a lab guest.
fn entries(cache: &Cache, is_lab_guest: &dyn Fn(&Entry) -> bool) -> (Vec<Finding>, bool) {
    let whole = cache.entries();
    let mut folders: Vec<PathBuf> = fs::read_dir(cache.folder().join("entries"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && path.extension().is_none_or(|end| end != "partial"))
        .collect();
    folders.sort();
    let mut has_lab = false;
    let findings = folders
        .iter()
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if let Some(entry) = whole.iter().find(|entry| entry.folder() == path) {
                has_lab |= is_lab_guest(entry);
                let bytes = entry.bytes_unpacked();
                if is_of_another_version(cache, entry, is_lab_guest) {
                    let words = "of another version of this program or of other suites";
                    let text = format!("{name}: {words}; it is made again when it is needed");
                    return Finding::new(Topic::Cache, "cache-entry", State::Note, text)
                        .with(json!({ "name": name, "bytes": bytes }));
                }
                let text = format!("{name}: {}", size(bytes));
                return Finding::new(Topic::Cache, "cache-entry", State::Good, text)
                    .with(json!({ "name": name, "bytes": bytes }));
            }
            Finding::new(
                Topic::Cache,
                "cache-entry",
                State::Note,
                format!("{name}: incomplete, will be fetched again"),
            )
            .fix(format!(
                "remove {}, or `vfio-user-ism fetch`",
                path.display()
            ))
            .with(json!({ "name": name }))
        })
        .collect();
    (findings, has_lab)
}

/// Whether another version of this program made a QEMU or a lab guest that this version would not use.
fn is_of_another_version(
    cache: &Cache,
    entry: &Entry,
    is_lab_guest: &dyn Fn(&Entry) -> bool,
) -> bool {
    match entry.name().as_str() {
        "qemu-system" => Qemu::have(Machine::S390x, cache).is_none(),
        name => name.starts_with("lab-linux-") && !is_lab_guest(entry),
    }
}

/// A number of bytes as text.
fn size(bytes: u64) -> String {
    if bytes >= 1_000_000_000 {
        format!("{:.1} GB", bytes as f64 / 1e9)
    } else {
        format!("{:.1} MB", bytes as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: &str =
        r#"{"schema": 1, "request": "x", "suite": "x", "packages": [], "bytes_unpacked": 100}"#;

    #[test]
    fn an_entry_counts_only_as_it_was_sealed() {
        let cache = tempfile::tempdir().unwrap();
        let entry = cache.path().join("entries/lab-linux-9");
        fs::create_dir_all(entry.join("root/modules")).unwrap();
        fs::write(entry.join("root/modules/ism.ko"), [0; 100]).unwrap();
        let has = || entries(&Cache::at(cache.path()), &|entry| entry.key() == "x");
        assert!(!has().1, "no stamp");
        fs::write(entry.join("stamp.json"), STAMP).unwrap();
        let (findings, lab) = has();
        assert!(lab);
        assert_eq!(findings[0].text, "lab-linux-9: 0.0 MB");
        fs::write(entry.join("root/modules/ism.ko"), [0; 99]).unwrap();
        let (findings, lab) = has();
        assert!(!lab);
        assert_eq!(findings[0].state, State::Note);
        assert!(findings[0].text.contains("incomplete"));
        fs::write(entry.join("root/modules/ism.ko"), [0; 100]).unwrap();
        let (findings, lab) = entries(&Cache::at(cache.path()), &|entry| entry.key() == "y");
        assert!(!lab, "one of another version");
        assert_eq!(findings[0].state, State::Note);
    }

    #[test]
    fn a_file_in_the_place_of_the_cache_is_no_cache() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(folder(file.path()).state, State::Note);
    }
}
