// SPDX-License-Identifier: GPL-2.0-or-later
//! Writes the output file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use records::instruction::Record;

/// A line of the output file, with a borrowed record.
pub(crate) type Line<'a> = records::instruction::Line<'a, &'a Record>;

/// Writes each line to the output file at once and as a whole, so that the file can be read while the guest
/// runs.
#[derive(Debug)]
pub(crate) struct Journal {
    out: BufWriter<File>,
    instructions: u64,
}

impl Journal {
    /// Creates or empties the file.
    ///
    /// # Errors
    /// The file cannot be created.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self {
            out: BufWriter::new(File::create(path)?),
            instructions: 0,
        })
    }

    /// Writes one line.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write(&mut self, line: &Line<'_>) -> io::Result<()> {
        let mut text = line.to_json()?;
        text.push('\n');
        self.out.write_all(text.as_bytes())?;
        self.out.flush()?;
        if matches!(line, Line::Insn(_)) {
            self.instructions += 1;
        }
        Ok(())
    }

    /// Writes the last line.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        self.write(&Line::End {
            instructions: self.instructions,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_in_the_file_before_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.jsonl");
        let mut journal = Journal::create(&path).unwrap();
        journal
            .write(&Line::Problem {
                message: "one".into(),
            })
            .unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert!(text.ends_with('\n'));
        journal.end().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text.lines().last(),
            Some(r#"{"schema_version":1,"kind":"end","instructions":0}"#)
        );
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let mut journal = Journal::create(Path::new("/dev/full")).unwrap();
        assert!(
            journal
                .write(&Line::Problem { message: "".into() })
                .is_err()
        );
    }
}
