//! Moves events from the hub, which records them under its lock, to their file and to followers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::unbounded_channel;

use super::event_writing::Followed;
use super::state::Hub;
use crate::record::EventFile;

/// Time that records wait for more, to be written together, unless there are many.
const TOGETHER: Duration = Duration::from_millis(10);

impl Hub {
    /// Writes events shortly after they happen; never ends.
    pub async fn write_events(&self) {
        let state = &self.events.state;
        loop {
            state.waiting().await;
            let _ = tokio::time::timeout(TOGETHER, state.much()).await;
            self.flush_events();
        }
    }

    /// Returns a stream of the events from now on.
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

    /// Passes all recorded events to the system. The hub is not locked while it writes.
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

    /// Like [`Hub::flush_events`], but only if there are many events.
    pub(super) fn flush_many_events(&self) {
        if self.events.is_recording()
            && self.events.state.has_much()
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
