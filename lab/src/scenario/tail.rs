//! Counts the lines of the server's event file while the server writes it.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use records::event::{Kind, Line};

/// Counts of the lines so far, by function and kind. A command's kind is its name.
pub(super) type Counts = HashMap<(String, String), u64>;

/// The event file of the running server.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    at: u64,
    /// The beginning of an incomplete line.
    begun: Vec<u8>,
    counts: Counts,
}

impl Tail {
    /// Reads the file at `path` from its beginning. The file may not exist yet.
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            at: 0,
            begun: Vec::new(),
            counts: Counts::new(),
        }
    }

    /// Continues with another file, that of a new server.
    pub(super) fn go_on_with(&mut self, path: &Path) {
        // The old server may have written lines since the last look. They count, too.
        let _ = self.read();
        self.path = path.to_owned();
        self.at = 0;
        self.begun.clear();
    }

    /// The present counts.
    pub(super) fn counts(&mut self) -> &Counts {
        // An unreadable file gives no counts. A step that waits for one then reports its time limit.
        let _ = self.read();
        &self.counts
    }

    fn read(&mut self) -> std::io::Result<()> {
        let mut file = std::fs::File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.at))?;
        let got = file.read_to_end(&mut self.begun)?;
        self.at += u64::try_from(got).unwrap_or_default();
        let whole = self.begun.iter().rposition(|byte| *byte == b'\n');
        let Some(end) = whole else { return Ok(()) };
        let lines: Vec<u8> = self.begun.drain(..=end).collect();
        for line in lines.split(|byte| *byte == b'\n') {
            if let Ok(line) = Line::<Kind>::read(line) {
                let Kind { event, name } = line.event;
                let name = name.filter(|_| event == "command");
                let key = (line.function.into_owned(), name.unwrap_or(event));
                *self.counts.entry(key).or_default() += 1;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Tail;
    use std::io::Write;

    #[test]
    fn lines_are_counted_once_they_are_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        let mut tail = Tail::new(&path);
        assert!(tail.counts().is_empty());
        let mut file = std::fs::File::create(&path).unwrap();
        let front = r#"{"schema_version":1,"seq":1,"time_us":1,"function":"#;
        let command = format!(r#"{front}"ism0","event":"command","name":"REG_DMB"}}"#);
        write!(file, "{command}\n{command}\n{front}\"ism1\",\"eve").unwrap();
        let count = |tail: &mut Tail, function: &str, kind: &str| {
            let key = (function.to_owned(), kind.to_owned());
            tail.counts().get(&key).copied()
        };
        assert_eq!(count(&mut tail, "ism0", "REG_DMB"), Some(2));
        assert_eq!(count(&mut tail, "ism1", "data-move"), None);
        writeln!(file, "nt\":\"data-move\"}}\nno json").unwrap();
        assert_eq!(count(&mut tail, "ism1", "data-move"), Some(1));
        let next = folder.path().join("next");
        std::fs::write(&next, format!("{command}\n")).unwrap();
        tail.go_on_with(&next);
        assert_eq!(count(&mut tail, "ism0", "REG_DMB"), Some(3));
    }

    #[test]
    fn the_last_lines_of_the_old_file_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let line =
            r#"{"schema_version":1,"seq":1,"time_us":1,"function":"ism0","event":"interrupt"}"#;
        let key = ("ism0".to_owned(), "interrupt".to_owned());
        let mut tail = Tail::new(&path("old"));
        std::fs::write(path("old"), format!("{line}\n")).unwrap();
        assert_eq!(tail.counts().get(&key), Some(&1));
        // The old server is killed in the middle of its third line.
        std::fs::write(path("old"), format!("{line}\n{line}\n{{\"sche")).unwrap();
        tail.go_on_with(&path("new"));
        assert_eq!(tail.counts().get(&key), Some(&2));
        std::fs::write(path("new"), format!("{line}\n")).unwrap();
        assert_eq!(tail.counts().get(&key), Some(&3));
    }
}
