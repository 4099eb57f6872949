//! Events on their way from the hub, which notes them under its lock, to their file and to those who
//! follow them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::Hub;
use crate::record::EventFile;
use crate::record::event_file::{Out, State};

/// How long records wait for more, to be written together, unless there are many.
const TOGETHER: Duration = Duration::from_millis(10);

/// Where records of events go: to the event file, if there is one, and to who follows them.
#[derive(Debug)]
pub(super) struct EventWriting {
    out: Arc<Mutex<Out>>,
    state: Arc<State>,
    /// Whether events are recorded at all.
    recording: AtomicBool,
}

impl EventWriting {
    /// For functions of these names, and a file if there is one.
    pub(super) fn of(file: Option<&EventFile>, names: Vec<String>) -> Self {
        let (out, state) = match file {
            Some(file) => (file.out(), file.state()),
            None => Out::without_file(),
        };
        out.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .set_names(names);
        Self {
            out,
            state,
            recording: AtomicBool::new(file.is_some()),
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
        let state = &self.events.state;
        loop {
            state.waiting().await;
            let _ = tokio::time::timeout(TOGETHER, state.much()).await;
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
            out.begin_anew();
            let (out, state) = (Arc::clone(&writing.out), Arc::clone(&writing.state));
            journal.record(Some(EventFile::to(out, state)));
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
        out.write(|spare| match self.lock().journal.events_mut() {
            Some(events) => events.take_pending(spare),
            None => spare,
        });
        if out.is_unread() {
            writing.recording.store(false, Ordering::Relaxed);
            self.lock().journal.record(None);
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
