//! The event file. Records are stored where events happen; lines are made and written separately.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ism::FunctionId;
use records::event::Front;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use super::event_batch::{Batch, Stamp};
use super::events::Event;
use crate::limits::FOLLOWED_BYTES;

/// An error in writing the event file.
#[derive(Debug, thiserror::Error)]
#[error("event file {path}")]
pub struct EventError {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

/// Bytes of records at which the writer should hurry.
const MUCH: usize = 1 << 20;
/// Bytes of records at which the thread that records an event writes all of them itself.
const FULL: usize = 8 << 20;
/// A buffer that grew past this size is freed.
const KEEP: usize = 4 * MUCH;
/// Bytes of lines that are passed to the system at once.
const LINES: usize = 256 << 10;

/// Stores records of events. [`Out`] makes the lines and writes them, so that no thread that serves a client
/// makes lines or waits for a disk.
#[derive(Debug)]
pub struct EventFile {
    pending: Batch,
    /// True if the writer already knows that there is much to do.
    hurried: bool,
    out: Arc<Mutex<Out>>,
    state: Arc<State>,
}

/// The state that recorder and writer share.
#[derive(Debug, Default)]
pub struct State {
    path: PathBuf,
    /// Notified when the first record waits, and when there are many.
    waiting: Notify,
    /// True once [`MUCH`] bytes wait.
    much: AtomicBool,
    /// True if the file takes no more events.
    stopped: AtomicBool,
    /// Number of events that came after that.
    lost: AtomicU64,
}

impl State {
    /// Waits until there are records.
    pub async fn waiting(&self) {
        self.waiting.notified().await;
    }

    /// True if there are many records.
    pub fn has_much(&self) -> bool {
        self.much.load(Ordering::Relaxed)
    }

    /// Waits until there are many records.
    pub async fn much(&self) {
        while !self.has_much() {
            self.waiting.notified().await;
        }
    }

    fn stop(&self) -> bool {
        !self.stopped.swap(true, Ordering::Relaxed)
    }

    fn lose(&self, events: u64) {
        self.lost.fetch_add(events, Ordering::Relaxed);
    }
}

/// Makes lines of records, writes them, and passes them to followers.
#[derive(Debug)]
pub struct Out {
    file: Option<File>,
    state: Arc<State>,
    /// Names of the functions, by their number.
    names: Vec<String>,
    start: Instant,
    seq: u64,
    /// Number of bytes of all lines.
    bytes: u64,
    limit: u64,
    lines: Vec<u8>,
    /// An empty batch that replaces a full one.
    spare: Batch,
    followers: Vec<Follower>,
}

/// A client of the control socket that gets every line too.
#[derive(Debug)]
struct Follower {
    sender: UnboundedSender<Arc<[u8]>>,
    /// Number of bytes that were sent and not yet taken.
    waiting: Arc<AtomicUsize>,
}

impl Follower {
    /// Sends lines. Returns false if the follower is gone or too slow.
    fn send(&self, lines: &Arc<[u8]>) -> bool {
        let before = self.waiting.fetch_add(lines.len(), Ordering::Relaxed);
        before.saturating_add(lines.len()) <= FOLLOWED_BYTES
            && self.sender.send(Arc::clone(lines)).is_ok()
    }
}

/// Writes complete lines and empties the buffer.
fn deliver(
    file: &mut Option<File>,
    followers: &mut Vec<Follower>,
    lines: &mut Vec<u8>,
) -> std::io::Result<()> {
    let written = match file {
        Some(file) => file.write_all(lines),
        None => Ok(()),
    };
    if !followers.is_empty() && !lines.is_empty() {
        let shared: Arc<[u8]> = lines.as_slice().into();
        followers.retain(|follower| follower.send(&shared));
    }
    lines.clear();
    written
}

impl Out {
    fn new(file: Option<File>, state: &Arc<State>, limit: u64) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            file,
            state: Arc::clone(state),
            names: Vec::new(),
            start: Instant::now(),
            seq: 0,
            bytes: 0,
            limit,
            lines: Vec::new(),
            spare: Batch::default(),
            followers: Vec::new(),
        }))
    }

    /// Creates the writer for followers only, without a file.
    pub fn without_file() -> (Arc<Mutex<Self>>, Arc<State>) {
        let state = Arc::default();
        (Self::new(None, &state, u64::MAX), state)
    }

    /// Sets the names of the functions, by their number.
    pub fn set_names(&mut self, names: Vec<String>) {
        self.names = names;
    }

    /// Starts the numbers of lines at 1 again.
    pub fn begin_anew(&mut self) {
        (self.seq, self.bytes) = (0, 0);
        self.state.stopped.store(false, Ordering::Relaxed);
        self.state.lost.store(0, Ordering::Relaxed);
    }

    /// Sends every line from now on to a follower.
    pub fn add_follower(&mut self, sender: UnboundedSender<Arc<[u8]>>, waiting: Arc<AtomicUsize>) {
        self.followers.push(Follower { sender, waiting });
    }

    /// True if lines have neither a file nor a follower.
    pub fn is_unread(&self) -> bool {
        self.file.is_none() && self.followers.is_empty()
    }

    /// Writes the waiting records in order. `taken` exchanges them for an empty batch.
    pub fn write(&mut self, taken: impl FnOnce(Batch) -> Batch) {
        let mut batch = taken(std::mem::take(&mut self.spare));
        if batch.is_empty() {
            self.spare = batch;
            return;
        }
        if let Err(error) = self.write_batch(&batch)
            && self.state.stop()
        {
            let path = self.state.path.display();
            tracing::error!(%path, %error, "the event file ends here");
        }
        if batch.capacity() <= KEEP {
            batch.clear();
            self.spare = batch;
        }
    }

    fn write_batch(&mut self, batch: &Batch) -> std::io::Result<()> {
        let Self {
            file,
            state,
            names,
            start,
            seq,
            bytes,
            limit,
            lines,
            followers,
            ..
        } = self;
        let mut result = Ok(());
        batch.for_each(names, |noted| {
            if state.stopped.load(Ordering::Relaxed) || result.is_err() {
                state.lose(1);
                return;
            }
            *seq += 1;
            let passed = noted.at.saturating_duration_since(*start);
            let time_us = u64::try_from(passed.as_micros()).unwrap_or(u64::MAX);
            let before = lines.len();
            let full = *bytes >= *limit;
            let front = Front {
                seq: *seq,
                time_us,
                function: noted.function,
                cause: noted.cause.filter(|_| !full),
            };
            let written = if full {
                state.stop();
                state.lose(1);
                tracing::warn!(path = %state.path.display(), limit, "the event file is full");
                front.write(&Event::Truncated { limit: *limit }, lines)
            } else {
                noted.event.write(&front, lines)
            };
            if let Err(error) = written {
                lines.truncate(before);
                result = Err(error.into());
            }
            *bytes += (lines.len() - before) as u64;
            if lines.len() >= LINES && result.is_ok() {
                result = deliver(file, followers, lines);
            }
        });
        let rest = deliver(file, followers, lines);
        result.and(rest)
    }
}

impl EventFile {
    /// Creates or empties the file. After `limit` bytes it ends with a `truncated` event.
    pub fn create(path: &Path, limit: u64) -> Result<Self, EventError> {
        let file = File::create(path).map_err(|source| EventError {
            path: path.to_owned(),
            source,
        })?;
        let state = Arc::new(State {
            path: path.to_owned(),
            ..State::default()
        });
        let out = Out::new(Some(file), &state, limit);
        Ok(Self::to(out, state))
    }

    /// Creates the recorder whose records go to `out`.
    pub fn to(out: Arc<Mutex<Out>>, state: Arc<State>) -> Self {
        Self {
            pending: Batch::default(),
            hurried: false,
            out,
            state,
        }
    }

    /// Returns the writer. Lock it before any lock that holds this event file.
    pub fn out(&self) -> Arc<Mutex<Out>> {
        Arc::clone(&self.out)
    }

    /// Returns the shared state, which notifies the writer.
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.state)
    }

    /// True if so many records wait that they must be written now.
    pub fn is_full(&self) -> bool {
        self.pending.size() >= FULL
    }

    /// Exchanges the waiting records for an empty batch.
    pub fn take_pending(&mut self, spare: Batch) -> Batch {
        if std::mem::take(&mut self.hurried) {
            self.state.much.store(false, Ordering::Relaxed);
        }
        std::mem::replace(&mut self.pending, spare)
    }

    /// Records any event. Events of one access share a stamp.
    pub fn write(&mut self, stamp: Stamp, function: FunctionId, event: &Event<'_>) {
        self.record(1, |batch| batch.push(stamp, function, event));
    }

    /// Records so many events that `push` adds.
    pub fn record(&mut self, events: u64, push: impl FnOnce(&mut Batch) -> serde_json::Result<()>) {
        if let Some(first) = self.begin(events) {
            if let Err(error) = push(&mut self.pending) {
                self.give_up(&error.into());
            }
            self.end(first);
        }
    }

    /// Begins a record of so many events. Returns true if it is the first one; `None` if nothing must be
    /// recorded.
    fn begin(&self, events: u64) -> Option<bool> {
        if self.state.stopped.load(Ordering::Relaxed) {
            self.state.lose(events);
            return None;
        }
        Some(self.pending.is_empty())
    }

    fn end(&mut self, first: bool) {
        if first {
            self.state.waiting.notify_one();
        } else if !self.hurried && self.pending.size() >= MUCH {
            self.hurried = true;
            self.state.much.store(true, Ordering::Relaxed);
            self.state.waiting.notify_one();
        }
    }

    /// Number of events that were not written, because the file was full or a write failed.
    pub fn lost(&self) -> u64 {
        self.state.lost.load(Ordering::Relaxed)
    }

    /// Writes all records, for the sole owner of the event file.
    pub fn flush(&mut self) {
        let out = self.out();
        let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
        out.write(|spare| self.take_pending(spare));
    }

    /// Ends the file and logs the error, because an event cannot be recorded.
    fn give_up(&self, error: &std::io::Error) {
        if self.state.stop() {
            let path = self.state.path.display();
            tracing::error!(%path, %error, "the event file ends here");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISM0: FunctionId = FunctionId(0);

    fn create(path: &Path, limit: u64) -> EventFile {
        let file = EventFile::create(path, limit).unwrap();
        file.out()
            .lock()
            .unwrap()
            .set_names(vec!["ism0".to_owned()]);
        file
    }

    fn stamp(cause: Option<u64>) -> Stamp {
        let at = Instant::now();
        Stamp { at, cause }
    }

    #[test]
    fn lines_are_json_with_a_running_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        let mut file = create(&path, 1 << 20);
        file.write(stamp(None), ISM0, &Event::Reset);
        file.write(
            stamp(Some(9)),
            ISM0,
            &Event::Store {
                path: "bar".into(),
                pcias: 2,
                offset: 8,
                length: 2,
                bytes: [0x0a, 0xff][..].into(),
                posted: true,
                result: "accepted".into(),
                rules: (&["plain-store".into()]).into(),
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
        let mut file = create(&path, 500);
        for _ in 0..100 {
            file.write(stamp(None), ISM0, &Event::Reset);
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
        let mut file = create(Path::new("/dev/full"), 1 << 20);
        file.write(stamp(None), ISM0, &Event::Reset);
        file.flush();
        file.write(stamp(None), ISM0, &Event::Reset);
        assert_eq!(file.lost(), 1);
    }

    #[test]
    fn lines_wait_until_they_are_taken_and_who_takes_them_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        let mut file = create(&path, 1 << 30);
        let state = file.state();
        file.write(stamp(None), ISM0, &Event::Reset);
        file.write(stamp(None), ISM0, &Event::Reset);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(state.waiting());
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        file.flush();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
        while !file.is_full() {
            file.write(stamp(None), ISM0, &Event::Reset);
        }
        assert!((FULL..FULL + 1000).contains(&file.pending.size()));
        runtime.block_on(state.much());
    }
}
