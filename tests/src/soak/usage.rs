//! The resources of a process.

use std::fmt;
use std::fs;

/// The resources of a process, as `/proc` reports them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Number of open descriptors.
    pub descriptors: usize,
    /// Number of threads.
    pub threads: usize,
    /// Number of mappings of guest memory.
    pub guest_maps: usize,
    /// The process's own resident memory in KiB, without mapped files.
    pub resident_kib: u64,
}

impl Usage {
    /// Reads the resources of a running process.
    pub fn of(pid: u32) -> Self {
        let folder = format!("/proc/{pid}");
        let entries = |name: &str| fs::read_dir(format!("{folder}/{name}")).unwrap().count();
        let text = |name: &str| fs::read_to_string(format!("{folder}/{name}")).unwrap();
        let status = text("status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        Self {
            descriptors: entries("fd"),
            threads: entries("task"),
            guest_maps: text("maps").matches("guest-ram").count(),
            resident_kib: number.unwrap().parse().unwrap(),
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            descriptors,
            threads,
            guest_maps,
            resident_kib,
        } = self;
        write!(
            f,
            "{descriptors} descriptors, {threads} threads, {guest_maps} files of guest memory, \
             {resident_kib} KiB resident"
        )
    }
}
