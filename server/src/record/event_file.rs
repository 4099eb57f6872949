//! The event file: lines put together in memory, and written apart.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use super::events::{Event, Front};
use crate::limits::FOLLOWED_BYTES;

/// An event file that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("event file {path}")]
pub struct EventError {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

/// Bytes that may wait to be written before whoever has made them writes them itself.
const FULL: usize = 1 << 20;
/// A buffer that grew past this is given back.
const KEEP: usize = 2 * FULL;

/// The open event file: lines are put together in memory and written to the file apart, so that
/// nobody who makes them waits for a disk.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    /// Lines that were not handed to the system yet.
    pending: Vec<u8>,
    /// Bytes of all lines.
    bytes: u64,
    out: Arc<Mutex<Out>>,
    pending_lines: Arc<Notify>,
    start: Instant,
    seq: u64,
    limit: u64,
    stopped: bool,
    /// Events that came after it stopped.
    lost: u64,
}

/// The file below, who follows, and an empty buffer to take the place of a full one.
#[derive(Debug, Default)]
pub struct Out {
    file: Option<File>,
    spare: Vec<u8>,
    followers: Vec<Follower>,
}

/// Somebody who gets every line, too.
#[derive(Debug)]
struct Follower {
    sender: UnboundedSender<Arc<[u8]>>,
    /// Bytes that were sent and not taken.
    waiting: Arc<AtomicUsize>,
}

impl Follower {
    /// Sends lines. `false` if it takes no more, or not fast enough.
    fn send(&self, lines: &Arc<[u8]>) -> bool {
        let before = self.waiting.fetch_add(lines.len(), Ordering::Relaxed);
        before.saturating_add(lines.len()) <= FOLLOWED_BYTES
            && self.sender.send(Arc::clone(lines)).is_ok()
    }
}

impl Out {
    /// Writes lines, in the order in which they are given. `taken` exchanges the lines that wait
    /// for an empty buffer.
    pub fn write(&mut self, taken: impl FnOnce(Vec<u8>) -> Vec<u8>) -> std::io::Result<()> {
        let mut lines = taken(std::mem::take(&mut self.spare));
        let written = match &mut self.file {
            Some(file) => file.write_all(&lines),
            None => Ok(()),
        };
        if !self.followers.is_empty() && !lines.is_empty() {
            let shared: Arc<[u8]> = lines.as_slice().into();
            self.followers.retain(|follower| follower.send(&shared));
        }
        if lines.capacity() <= KEEP {
            lines.clear();
            self.spare = lines;
        }
        written
    }

    /// Has somebody get every line from now on.
    pub fn add_follower(&mut self, sender: UnboundedSender<Arc<[u8]>>, waiting: Arc<AtomicUsize>) {
        self.followers.push(Follower { sender, waiting });
    }

    /// Whether lines go nowhere.
    pub fn is_unread(&self) -> bool {
        self.file.is_none() && self.followers.is_empty()
    }
}

impl EventFile {
    /// Creates or empties the file. Writing stops, with a `truncated` event, after `limit` bytes.
    pub fn create(path: &Path, limit: u64) -> Result<Self, EventError> {
        let file = File::create(path).map_err(|source| EventError {
            path: path.to_owned(),
            source,
        })?;
        let out = Out {
            file: Some(file),
            ..Out::default()
        };
        let out = Arc::new(Mutex::new(out));
        Ok(Self {
            path: path.to_owned(),
            limit,
            ..Self::unwritten(out, Arc::default(), Instant::now())
        })
    }

    /// Lines that go to followers only. Times count from `start`.
    pub fn unwritten(out: Arc<Mutex<Out>>, pending_lines: Arc<Notify>, start: Instant) -> Self {
        Self {
            path: PathBuf::new(),
            pending: Vec::new(),
            bytes: 0,
            out,
            pending_lines,
            start,
            seq: 0,
            limit: u64::MAX,
            stopped: false,
            lost: 0,
        }
    }

    /// When time began.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// Where lines go, to be locked before whatever this event file is locked by.
    pub fn out(&self) -> Arc<Mutex<Out>> {
        Arc::clone(&self.out)
    }

    /// Notified when lines wait and none did.
    pub fn pending_lines(&self) -> Arc<Notify> {
        Arc::clone(&self.pending_lines)
    }

    /// Whether so many lines wait that it is time to write them.
    pub fn is_full(&self) -> bool {
        self.pending.len() >= FULL
    }

    /// Exchanges the lines that wait for an empty buffer.
    pub fn take_pending(&mut self, spare: Vec<u8>) -> Vec<u8> {
        std::mem::replace(&mut self.pending, spare)
    }

    /// Adds one line. Lines of one access share a `cause`.
    pub fn write(&mut self, function: &str, cause: Option<u64>, event: &Event<'_>) {
        if self.stopped {
            self.lost += 1;
            return;
        }
        if self.bytes >= self.limit {
            self.stopped = true;
            self.lost += 1;
            tracing::warn!(path = %self.path.display(), limit = self.limit, "the event file is full");
            self.line(function, None, &Event::Truncated { limit: self.limit });
        } else {
            self.line(function, cause, event);
        }
    }

    /// Events that were not written, for the file was full or could not be written.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn line(&mut self, function: &str, cause: Option<u64>, event: &Event<'_>) {
        self.seq += 1;
        let time_us = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let before = self.pending.len();
        let front = Front {
            seq: self.seq,
            time_us,
            function,
            cause,
        };
        if let Err(error) = front.write(event, &mut self.pending) {
            self.pending.truncate(before);
            self.give_up(&error.into());
        }
        self.bytes += (self.pending.len() - before) as u64;
        if before == 0 {
            self.pending_lines.notify_one();
        }
    }

    /// Hands all lines to the system, for one who has the event file to himself.
    pub fn flush(&mut self) {
        let out = self.out();
        let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = out.write(|spare| self.take_pending(spare)) {
            self.give_up(&error);
        }
    }

    /// The file cannot be written any more: it ends here, and the log says so.
    pub fn give_up(&mut self, error: &std::io::Error) {
        if !std::mem::replace(&mut self.stopped, true) {
            tracing::error!(path = %self.path.display(), %error, "the event file ends here");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::events::Hex;

    #[test]
    fn lines_are_json_with_a_running_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        let mut file = EventFile::create(&path, 1 << 20).unwrap();
        file.write("ism0", None, &Event::Reset);
        file.write(
            "ism0",
            Some(9),
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
        assert_eq!(lines[0].get("cause"), None);
        assert_eq!(lines[1]["cause"], 9);
    }

    #[test]
    fn the_limit_ends_the_file_with_a_last_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        let mut file = EventFile::create(&path, 500).unwrap();
        for _ in 0..100 {
            file.write("ism0", None, &Event::Reset);
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
        file.write("ism0", None, &Event::Reset);
        file.flush();
        file.write("ism0", None, &Event::Reset);
        assert!(file.stopped);
    }

    #[test]
    fn lines_wait_until_they_are_taken_and_who_takes_them_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        let mut file = EventFile::create(&path, 1 << 30).unwrap();
        let told = file.pending_lines();
        file.write("ism0", None, &Event::Reset);
        file.write("ism0", None, &Event::Reset);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(told.notified());
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        file.flush();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
        while !file.is_full() {
            file.write("ism0", None, &Event::Reset);
        }
        assert!((FULL..FULL + 1000).contains(&file.pending.len()));
    }
}
