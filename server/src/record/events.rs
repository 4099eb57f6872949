//! The event file: one JSON object a line, in the order in which things happened.
//!
//! Every line has `schema_version`, `seq` (from 1, without gaps), `time_us` (since the start of
//! the server), `function` and `event`; the rest depends on the event and is told in
//! `docs/events.md`. Bytes are lower-case hexadecimal in the order in which they travelled.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Serialize, Serializer};

/// The version of the event format.
pub const SCHEMA_VERSION: u32 = 1;

/// Bytes as hexadecimal text.
#[derive(Clone, Copy, Debug)]
pub struct Hex<'a>(pub &'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What happened. Offsets and lengths are bytes.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[allow(
    missing_docs,
    reason = "the fields are told in docs/events.md, which a test compares"
)]
pub enum Event<'a> {
    Connected {
        pid: Option<i32>,
    },
    Disconnected {
        maps: usize,
    },
    ClientRefused {
        pid: Option<i32>,
    },
    Reset,
    Store {
        path: &'static str,
        pcias: u8,
        offset: u64,
        length: usize,
        bytes: Hex<'a>,
        posted: bool,
        result: &'a str,
        rules: &'a [&'static str],
    },
    Load {
        path: &'static str,
        pcias: u8,
        offset: u64,
        length: usize,
        bytes: Hex<'a>,
        result: &'a str,
        rules: &'a [&'static str],
    },
    ConfigWrite {
        offset: u64,
        length: usize,
        bytes: Hex<'a>,
        result: &'a str,
    },
    ConfigRead {
        offset: u64,
        length: usize,
        bytes: Hex<'a>,
        result: &'a str,
    },
    Violation {
        rule: &'static str,
        severity: &'static str,
        path: &'static str,
        pcias: u8,
        offset: u64,
        length: usize,
        pieces: usize,
        piece_length: usize,
        detail: &'a str,
    },
    Command {
        code: u32,
        name: &'a str,
        request: Hex<'a>,
        response_code: u16,
        response: Hex<'a>,
    },
    DataMove {
        token: u64,
        owner: &'a str,
        dmb_offset: u64,
        length: usize,
        element: u8,
        signal: bool,
        signalled: bool,
    },
    Queued {
        to: &'a str,
        event_type: u32,
        code: u32,
        token: u64,
        info: u64,
        delivered: bool,
    },
    Interrupt {
        vector: u16,
    },
    RefusedRequest {
        command: &'static str,
        errno: u32,
        reason: &'a str,
    },
    Truncated {
        limit: u64,
    },
}

#[derive(Serialize)]
struct Line<'a> {
    schema_version: u32,
    seq: u64,
    time_us: u64,
    function: &'a str,
    #[serde(flatten)]
    event: &'a Event<'a>,
}

/// An event file that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("event file {path}")]
pub struct EventError {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

/// The open event file.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    writer: BufWriter<Counted>,
    start: Instant,
    seq: u64,
    limit: u64,
    stopped: bool,
    dirty: bool,
}

/// A file that knows how much was written to it.
#[derive(Debug)]
struct Counted {
    file: File,
    written: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl EventFile {
    /// Creates or empties the file. Writing stops, with a `truncated` event, after `limit` bytes.
    pub fn create(path: &Path, limit: u64) -> Result<Self, EventError> {
        let file = File::create(path).map_err(|source| EventError {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            writer: BufWriter::with_capacity(64 << 10, Counted { file, written: 0 }),
            start: Instant::now(),
            seq: 0,
            limit,
            stopped: false,
            dirty: false,
        })
    }

    /// Writes one line. A file that cannot be written any more is given up, with a log line.
    pub fn write(&mut self, function: &str, event: &Event<'_>) {
        if self.stopped {
            return;
        }
        let buffered = self.writer.buffer().len() as u64;
        if self.writer.get_ref().written + buffered >= self.limit {
            self.stopped = true;
            tracing::warn!(path = %self.path.display(), limit = self.limit, "the event file is full");
            self.line(function, &Event::Truncated { limit: self.limit });
        } else {
            self.line(function, event);
        }
    }

    fn line(&mut self, function: &str, event: &Event<'_>) {
        self.seq += 1;
        let time_us = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let line = Line {
            schema_version: SCHEMA_VERSION,
            seq: self.seq,
            time_us,
            function,
            event,
        };
        self.dirty = true;
        let written = serde_json::to_writer(&mut self.writer, &line)
            .map_err(std::io::Error::from)
            .and_then(|()| self.writer.write_all(b"\n"));
        if let Err(error) = written {
            self.give_up(&error);
        }
    }

    /// Hands everything written so far to the system.
    pub fn flush(&mut self) {
        if std::mem::take(&mut self.dirty)
            && let Err(error) = self.writer.flush()
        {
            self.give_up(&error);
        }
    }

    fn give_up(&mut self, error: &std::io::Error) {
        if !std::mem::replace(&mut self.stopped, true) {
            tracing::error!(path = %self.path.display(), %error, "the event file ends here");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_json_with_a_running_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        let mut file = EventFile::create(&path, 1 << 20).unwrap();
        file.write("ism0", &Event::Reset);
        file.write(
            "ism0",
            &Event::Store {
                path: "bar",
                pcias: 2,
                offset: 8,
                length: 2,
                bytes: Hex(&[0x0a, 0xff]),
                posted: true,
                result: "accepted",
                rules: &["plain-store"],
            },
        );
        file.flush();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0]["event"], "reset");
        assert_eq!((&lines[0]["seq"], &lines[1]["seq"]), (&1.into(), &2.into()));
        assert_eq!(lines[1]["bytes"], "0aff");
        assert_eq!(lines[1]["rules"][0], "plain-store");
        assert_eq!(lines[1]["schema_version"], 1);
    }

    /// One of each event, as `docs/events.md` tells them.
    fn every_event() -> Vec<Event<'static>> {
        let (bytes, rules) = (Hex(&[]), &[][..]);
        let (path, result, detail, name) = ("bar", "accepted", "", "");
        vec![
            Event::Connected { pid: None },
            Event::Disconnected { maps: 0 },
            Event::ClientRefused { pid: None },
            Event::Reset,
            Event::Store {
                path,
                pcias: 0,
                offset: 0,
                length: 0,
                bytes,
                posted: false,
                result,
                rules,
            },
            Event::Load {
                path,
                pcias: 0,
                offset: 0,
                length: 0,
                bytes,
                result,
                rules,
            },
            Event::ConfigWrite {
                offset: 0,
                length: 0,
                bytes,
                result,
            },
            Event::ConfigRead {
                offset: 0,
                length: 0,
                bytes,
                result,
            },
            Event::Violation {
                rule: "",
                severity: "",
                path,
                pcias: 0,
                offset: 0,
                length: 0,
                pieces: 0,
                piece_length: 0,
                detail,
            },
            Event::Command {
                code: 0,
                name,
                request: bytes,
                response_code: 0,
                response: bytes,
            },
            Event::DataMove {
                token: 0,
                owner: name,
                dmb_offset: 0,
                length: 0,
                element: 0,
                signal: false,
                signalled: false,
            },
            Event::Queued {
                to: name,
                event_type: 0,
                code: 0,
                token: 0,
                info: 0,
                delivered: true,
            },
            Event::Interrupt { vector: 0 },
            Event::RefusedRequest {
                command: "",
                errno: 0,
                reason: "",
            },
            Event::Truncated { limit: 0 },
        ]
    }

    #[test]
    fn the_page_tells_every_event_and_field_and_no_other() {
        let page = include_str!("../../../docs/events.md");
        let rows: Vec<Vec<&str>> = page
            .lines()
            .filter(|line| line.starts_with("| `") && line.matches('|').count() == 4)
            .map(|line| line.split('|').map(str::trim).collect())
            .collect();
        let ticked = |text: &str| -> Vec<String> {
            text.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect()
        };
        let mut told: Vec<String> = rows.iter().flat_map(|row| ticked(row[1])).collect();
        for event in every_event() {
            let value = serde_json::to_value(&event).unwrap();
            let name = value["event"].as_str().unwrap();
            let row = rows
                .iter()
                .find(|row| ticked(row[1]).iter().any(|told| told == name));
            let row = row.unwrap_or_else(|| panic!("docs/events.md does not tell {name}"));
            let mut fields: Vec<String> = value
                .as_object()
                .unwrap()
                .keys()
                .filter(|key| *key != "event")
                .cloned()
                .collect();
            fields.sort();
            let mut documented = ticked(row[2]);
            documented.sort();
            assert_eq!(documented, fields, "{name}");
            told.retain(|told| told != name);
        }
        assert_eq!(told, Vec::<String>::new(), "told, but no event");
    }

    #[test]
    fn the_limit_ends_the_file_with_a_last_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        let mut file = EventFile::create(&path, 500).unwrap();
        for _ in 0..100 {
            file.write("ism0", &Event::Reset);
        }
        file.flush();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.len() < 700, "{}", text.len());
        assert!(
            text.lines()
                .last()
                .unwrap()
                .contains("\"event\":\"truncated\",\"limit\":500")
        );
    }

    #[test]
    fn a_full_disk_stops_the_file_and_nothing_else() {
        let mut file = EventFile::create(Path::new("/dev/full"), 1 << 20).unwrap();
        file.write("ism0", &Event::Reset);
        file.flush();
        file.write("ism0", &Event::Reset);
        assert!(file.stopped);
    }
}
