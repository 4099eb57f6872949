//! Reads the end of a log file, for error messages.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes at the end of a file that are read.
const WINDOW: u64 = 16 << 10;

/// Returns the last `lines` lines of `path` that are not blank, without the final end-of-line. Empty if there
/// are none, or no such file. Leaves out control characters of a console, and the registers (some fifty
/// lines) that QEMU prints after an error.
pub fn tail(path: &Path, lines: usize) -> String {
    let bytes = end(path).unwrap_or_default();
    let text: String = String::from_utf8_lossy(&bytes)
        .chars()
        .filter(|c| *c == '\n' || *c == '\t' || !c.is_control())
        .collect();
    let found: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !is_register_dump(line))
        .collect();
    found[found.len().saturating_sub(lines)..].join("\n")
}

/// True if QEMU prints registers in this line.
fn is_register_dump(line: &str) -> bool {
    let is_register = |word: &str| {
        let hex = |value: &str| value.len() >= 8 && value.bytes().all(|b| b.is_ascii_hexdigit());
        word.split_once('=').is_some_and(|(name, value)| {
            name.bytes().all(|byte| byte.is_ascii_alphanumeric()) && hex(value)
        })
    };
    line.starts_with("PSW=mask ")
        || line.starts_with("CPU #")
        || line.split_whitespace().all(is_register)
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
    fn registers_are_passed_over_and_words_are_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let words = "qemu: hardware error: guest switched to unknown asc mode\nx=1\nR00=zero\n";
        let dump = "\nCPU #0:\nPSW=mask 0400600180000000 addr 0000000000781ab0 cc 02\n\
            R00=0000000000000001 R01=0000000000100018\nFPC=00000000\n";
        std::fs::write(file.path(), format!("{words}{dump}")).unwrap();
        assert_eq!(tail(file.path(), 8), words.trim_end());
    }

    #[test]
    fn a_long_file_is_read_from_its_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "x\n".repeat(100_000) + "end\n").unwrap();
        assert_eq!(tail(file.path(), 2), "x\nend");
    }
}
