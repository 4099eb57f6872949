//! The report file. It is opened before the server serves, because nothing can be opened afterwards.

use std::fs::{File, OpenOptions};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use super::report::Report;

/// An error in opening or writing the report file.
#[derive(Debug, thiserror::Error)]
#[error("report file {path}")]
pub struct ReportError {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

/// The open report file. Its old content stays until a report is written.
#[derive(Debug)]
pub struct ReportFile {
    path: PathBuf,
    file: File,
}

impl ReportFile {
    /// Opens the file, and creates it if it does not exist.
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

    /// Replaces the content of the file by a report, as JSON.
    pub fn write(&mut self, report: &Report) -> Result<(), ReportError> {
        self.replace(report).map_err(|source| ReportError {
            path: self.path.clone(),
            source,
        })
    }

    fn replace(&mut self, report: &Report) -> std::io::Result<()> {
        let mut text = serde_json::to_string_pretty(report)?;
        text.push('\n');
        // A pipe or a terminal has no length and no position to set.
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
            self.file.rewind()?;
        }
        self.file.write_all(text.as_bytes())
    }
}
