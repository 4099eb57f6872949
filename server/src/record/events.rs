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

use crate::limits::SHOWN_BYTES;

/// The version of the event format.
pub const SCHEMA_VERSION: u32 = 1;

/// Bytes as hexadecimal text, of more than 4096 the first 4096.
#[derive(Clone, Copy, Debug)]
pub struct Hex<'a>(pub &'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = self.0.iter().take(SHOWN_BYTES);
        shown.try_for_each(|byte| write!(f, "{byte:02x}"))
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
        channel: bool,
    },
    Disconnected {
        maps: usize,
        channel: bool,
    },
    ClientRefused {
        pid: Option<i32>,
        channel: bool,
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
    /// Events that came after it stopped.
    lost: u64,
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
            lost: 0,
            dirty: false,
        })
    }

    /// Writes one line. A file that cannot be written any more is given up, with a log line.
    pub fn write(&mut self, function: &str, event: &Event<'_>) {
        if self.stopped {
            self.lost += 1;
            return;
        }
        let buffered = self.writer.buffer().len() as u64;
        if self.writer.get_ref().written + buffered >= self.limit {
            self.stopped = true;
            self.lost += 1;
            tracing::warn!(path = %self.path.display(), limit = self.limit, "the event file is full");
            self.line(function, &Event::Truncated { limit: self.limit });
        } else {
            self.line(function, event);
        }
    }

    /// Events that were not written, for the file was full or could not be written.
    pub fn lost(&self) -> u64 {
        self.lost
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
mod tests;
