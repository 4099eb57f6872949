//! Events on their way from the hub, which makes them under its lock, to their file.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::Hub;
use crate::record::EventFile;
use crate::record::event_file::Out;

/// How long lines wait for more, to be written together.
const TOGETHER: Duration = Duration::from_millis(10);

/// Where the lines of events go: to the event file, if there is one, and to who follows them.
#[derive(Debug)]
pub(super) struct EventWriting {
    out: Arc<Mutex<Out>>,
    pending: Arc<Notify>,
    start: Instant,
    /// Whether events are recorded at all.
    recording: AtomicBool,
}

impl EventWriting {
    pub(super) fn of(file: Option<&EventFile>) -> Self {
        match file {
            Some(file) => Self {
                out: file.out(),
                pending: file.pending_lines(),
                start: file.start(),
                recording: AtomicBool::new(true),
            },
            None => Self {
                out: Arc::default(),
                pending: Arc::default(),
                start: Instant::now(),
                recording: AtomicBool::new(false),
            },
        }
    }

    fn is_recording(&self) -> bool {
        self.recording.load(Ordering::Relaxed)
    }
}

/// Lines of events as they come. Ends if they are taken too slowly.
#[derive(Debug)]
pub struct Followed {
    lines: UnboundedReceiver<Arc<[u8]>>,
    waiting: Arc<AtomicUsize>,
}

impl Followed {
    /// The next whole lines; `None` once too many waited.
    pub async fn next(&mut self) -> Option<Arc<[u8]>> {
        let lines = self.lines.recv().await?;
        self.waiting.fetch_sub(lines.len(), Ordering::Relaxed);
        Some(lines)
    }
}

impl Hub {
    /// Writes events as they come, a moment later; for ever.
    pub async fn write_events(&self) {
        loop {
            self.events.pending.notified().await;
            tokio::time::sleep(TOGETHER).await;
            self.flush_events();
        }
    }

    /// Events from now on.
    pub fn follow(&self) -> Followed {
        self.flush_events();
        let (sender, lines) = unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let writing = &self.events;
        let mut out = writing.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.add_follower(sender, Arc::clone(&waiting));
        let journal = &mut self.lock().journal;
        if journal.events_mut().is_none() {
            let (out, pending) = (Arc::clone(&writing.out), Arc::clone(&writing.pending));
            journal.record(Some(EventFile::unwritten(out, pending, writing.start)));
        }
        writing.recording.store(true, Ordering::Relaxed);
        Followed { lines, waiting }
    }

    /// Hands everything that was recorded to the system. The hub is not locked while it writes.
    pub fn flush_events(&self) {
        let writing = &self.events;
        if !writing.is_recording() {
            return;
        }
        let mut out = writing.out.lock().unwrap_or_else(PoisonError::into_inner);
        let written = out.write(|spare| match self.lock().journal.events_mut() {
            Some(events) => events.take_pending(spare),
            None => spare,
        });
        if out.is_unread() {
            writing.recording.store(false, Ordering::Relaxed);
            self.lock().journal.record(None);
        } else if let Err(error) = written
            && let Some(events) = self.lock().journal.events_mut()
        {
            events.give_up(&error);
        }
    }

    /// As [`Hub::flush_events`], if there are many.
    pub(super) fn flush_many_events(&self) {
        if self.events.is_recording()
            && self
                .lock()
                .journal
                .events_mut()
                .is_some_and(|e| e.is_full())
        {
            self.flush_events();
        }
    }
}
