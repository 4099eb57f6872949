// SPDX-License-Identifier: GPL-2.0-or-later
//! Numbers the records of a run in order of execution, and writes them until an error.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::journal::{Journal, Line};
use crate::qemu_info::QemuInfo;
use records::instruction::Record;

/// The output file and the numbers of its records.
#[derive(Debug)]
pub(crate) struct Records {
    journal: Mutex<Journal>,
    next_seq: AtomicU64,
    ended: AtomicBool,
}

impl Records {
    /// Begins the journal with its first line.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub(crate) fn start(info: &QemuInfo, mut journal: Journal) -> io::Result<Self> {
        journal.write(&Line::Start {
            plugin_version: env!("CARGO_PKG_VERSION").into(),
            qemu_api: [info.api_min, info.api_cur],
            target: info.target.as_str().into(),
            max_vcpus: info.max_vcpus,
        })?;
        Ok(Self {
            journal: Mutex::new(journal),
            next_seq: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        })
    }

    /// Returns the number of the next instruction.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq.fetch_add(1, Ordering::Relaxed)
    }

    /// True if nothing is written any more.
    #[must_use]
    pub(crate) fn have_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Writes a record.
    ///
    /// # Errors
    /// The first error. After it, nothing is written.
    pub(crate) fn write(&self, record: &Record) -> Result<(), String> {
        if self.have_ended() {
            return Ok(());
        }
        let written = self.journal().write(&Line::Insn(record));
        let Err(error) = written else {
            return Ok(());
        };
        let problem = format!("cannot write a record: {error}");
        if self.end_with(&problem) {
            Err(problem)
        } else {
            Ok(())
        }
    }

    /// Writes a line about a problem. Recording goes on.
    pub(crate) fn note(&self, problem: &str) {
        if !self.have_ended() {
            // If the file cannot be written, the next record fails too and reports it.
            let _ = self.journal().write(&Line::Problem {
                message: problem.into(),
            });
        }
    }

    /// Ends the records with a line about a problem. Returns false if they had ended before.
    pub(crate) fn end_with(&self, problem: &str) -> bool {
        if self.ended.swap(true, Ordering::Relaxed) {
            return false;
        }
        // The file itself may be the problem.
        let _ = self.journal().write(&Line::Problem {
            message: problem.into(),
        });
        true
    }

    /// Writes the last line.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn end(&self) -> io::Result<()> {
        if self.ended.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        self.journal().end()
    }

    /// Locks even after a panic: a callback that panicked was reported, and the journal stays usable.
    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use records::instruction::{Hex, HexBytes, InstructionResult, Operands};
    use std::path::Path;

    fn records(path: &Path) -> io::Result<Records> {
        let info = QemuInfo {
            target: "s390x".into(),
            api_min: 7,
            api_cur: 7,
            system: true,
            max_vcpus: 1,
        };
        Records::start(&info, Journal::create(path)?)
    }

    fn record(seq: u64) -> Record {
        Record {
            seq,
            vcpu: 0,
            insn: "pcilg".into(),
            opcode: HexBytes(vec![]),
            psw_addr: Hex(0),
            operands: Operands::default(),
            result: InstructionResult::unseen(),
            forwarded: false,
        }
    }

    #[test]
    fn a_note_is_followed_by_records_and_an_end_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let records = records(&path).unwrap();
        records.note("server gone");
        assert_eq!(records.next_seq(), 0);
        records.write(&record(records.next_seq())).unwrap();
        assert!(records.end_with("panic"));
        assert!(!records.end_with("again"));
        records.write(&record(2)).unwrap();
        records.note("nobody hears");
        records.end().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let kinds: Vec<String> = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|line| line["kind"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(kinds, ["start", "problem", "insn", "problem"]);
    }

    #[test]
    fn a_full_disk_is_told_once() {
        assert!(records(Path::new("/dev/full")).is_err());
    }
}
