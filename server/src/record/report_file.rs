//! The report file: opened before anything is served, since nothing can be opened afterwards.

use std::fs::{File, OpenOptions};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use super::report::Report;

/// A report file that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("report file {path}")]
pub struct ReportError {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

/// The open report file. What was in it stays there until a report is written.
#[derive(Debug)]
pub struct ReportFile {
    path: PathBuf,
    file: File,
}

impl ReportFile {
    /// Opens the file, and makes it if it is not there.
    pub fn open(path: &Path) -> Result<Self, ReportError> {
        let mut options = OpenOptions::new();
        let opened = options.write(true).create(true).truncate(false).open(path);
        opened
            .map(|file| Self {
                path: path.to_owned(),
                file,
            })
            .map_err(|source| ReportError {
                path: path.to_owned(),
                source,
            })
    }

    /// Writes a report as JSON, in place of what was there.
    pub fn write(&mut self, report: &Report) -> Result<(), ReportError> {
        self.replace(report).map_err(|source| ReportError {
            path: self.path.clone(),
            source,
        })
    }

    fn replace(&mut self, report: &Report) -> std::io::Result<()> {
        let mut text = serde_json::to_string_pretty(report)?;
        text.push('\n');
        // A pipe or a terminal has no length and no position, and needs none.
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
            self.file.rewind()?;
        }
        self.file.write_all(text.as_bytes())
    }
}
