//! The end of a log file, for error messages.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// As much of a file's end as is looked at.
const WINDOW: u64 = 16 << 10;

/// The last `lines` lines of `path` that are not blank, without the end-of-line. Empty if there are
/// none, or no such file. Control characters of a console are left out.
pub fn tail(path: &Path, lines: usize) -> String {
    let bytes = end(path).unwrap_or_default();
    let text: String = String::from_utf8_lossy(&bytes)
        .chars()
        .filter(|c| *c == '\n' || *c == '\t' || !c.is_control())
        .collect();
    let found: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
    found[found.len().saturating_sub(lines)..].join("\n")
}

fn end(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(WINDOW)))?;
    let mut bytes = Vec::new();
    file.take(WINDOW).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::tail;

    #[test]
    fn the_last_lines_without_blanks_and_control_characters() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "one\n\ntwo\r\n\x1b[mthree\n\n").unwrap();
        assert_eq!(tail(file.path(), 2), "two\n[mthree");
        assert_eq!(tail(std::path::Path::new("/no/such/file"), 2), "");
    }

    #[test]
    fn a_long_file_is_read_from_its_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "x\n".repeat(100_000) + "end\n").unwrap();
        assert_eq!(tail(file.path(), 2), "x\nend");
    }
}
