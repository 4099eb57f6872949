//! A file, or the events of a running server, line by line.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::item::{Item, parse};
use crate::error::Error;

/// Longest time to wait for a silent server before the next source has its turn.
const SILENCE: Duration = Duration::from_millis(20);
/// Longest time for a server's first answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The type of the block that begins a pcapng file. It is the same in both byte orders.
const PCAPNG: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// The request that a control socket answers with events (`docs/faults.md`).
const EVENTS: &[u8] = b"{\"request\":\"events\"}\n";

/// One file, or the events of a running server, line by line.
pub(crate) struct Source {
    path: PathBuf,
    reader: BufReader<Box<dyn Read>>,
    /// Whether the server of these events has ended.
    ended: bool,
    buffer: Vec<u8>,
    line: u64,
    /// Bytes read so far.
    bytes: u64,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Source {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Line`] for a capture.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::read(path))?;
        let mut source = Self::new(path, Box::new(file));
        let start = source.reader.fill_buf().map_err(Error::read(path))?;
        if start.starts_with(&PCAPNG) {
            return Err(Error::Line {
                path: path.to_owned(),
                line: 1,
                reason: "this is a capture, expected the file of --events; \
                         `vfio-user-ism replay` plays captures"
                    .to_owned(),
            });
        }
        Ok(source)
    }

    /// Attaches to a running server by its control socket. Only later events follow.
    ///
    /// # Errors
    /// [`Error::Read`] and [`Error::Line`].
    pub(crate) fn attach(path: &Path) -> Result<Self, Error> {
        let failed = Error::read(path);
        let mut stream = UnixStream::connect(path).map_err(&failed)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(&failed)?;
        stream.write_all(EVENTS).map_err(&failed)?;
        // Reads byte by byte, because the bytes after the answer are events.
        let mut answer = Vec::new();
        let mut byte = [0];
        while !answer.ends_with(b"\n") {
            match stream.read(&mut byte) {
                Ok(0) => return Err(failed(ErrorKind::UnexpectedEof.into())),
                Ok(_) => answer.extend(byte),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let why = "no answer, expected the control socket of a server";
                    return Err(failed(std::io::Error::new(ErrorKind::TimedOut, why)));
                }
                Err(error) => return Err(failed(error)),
            }
        }
        if answer != b"{\"ok\":true}\n" {
            return Err(Error::Line {
                path: path.to_owned(),
                line: 1,
                reason: String::from_utf8_lossy(answer.trim_ascii()).into_owned(),
            });
        }
        stream.set_read_timeout(Some(SILENCE)).map_err(&failed)?;
        Ok(Self::new(path, Box::new(stream)))
    }

    fn new(path: &Path, reader: Box<dyn Read>) -> Self {
        Self {
            path: path.to_owned(),
            reader: BufReader::with_capacity(1 << 20, reader),
            ended: false,
            buffer: Vec::new(),
            line: 0,
            bytes: 0,
        }
    }

    /// Whether the last read was at the end. A file may grow after that, but a server is gone.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Begins again if the file is shorter than what was read, because a new server has emptied it. Tells whether
    /// it did.
    ///
    /// # Errors
    /// [`Error::Read`] and [`Error::Line`].
    pub(crate) fn begin_anew_if_emptied(&mut self) -> Result<bool, Error> {
        let facts = self.path.metadata();
        let emptied = facts.is_ok_and(|file| file.is_file() && file.len() < self.bytes);
        if emptied {
            *self = Self::open(&self.path)?;
        }
        Ok(emptied)
    }

    /// Bytes read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next line. `None` at the end. An incomplete last line stays unread, because the writer is not done
    /// with it.
    ///
    /// # Errors
    /// [`Error::Read`] and [`Error::Line`].
    #[allow(clippy::should_implement_trait, reason = "it can fail")]
    pub(crate) fn next(&mut self) -> Result<Option<Item>, Error> {
        loop {
            if !self.buffer.ends_with(b"\n") {
                let before = self.buffer.len();
                let read = self.reader.read_until(b'\n', &mut self.buffer);
                self.bytes += (self.buffer.len() - before) as u64;
                match read {
                    Ok(read) => self.ended = read == 0,
                    // Keeps the bytes from before the silence.
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                    Err(error) => return Err(Error::read(&self.path)(error)),
                }
            }
            if !self.buffer.ends_with(b"\n") {
                return Ok(None);
            }
            self.line += 1;
            let item = parse(&self.buffer).map_err(|reason| Error::Line {
                path: self.path.clone(),
                line: self.line,
                reason,
            });
            self.buffer.clear();
            if let Some(item) = item? {
                return Ok(Some(item));
            }
        }
    }
}
