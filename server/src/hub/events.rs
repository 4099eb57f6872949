//! Events on their way from the hub, which notes them under its lock, to their file and to those who
//! follow them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::unbounded_channel;

use super::event_writing::Followed;
use super::state::Hub;
use crate::record::EventFile;

/// The time that records wait for more, to be written together, unless there are many.
const TOGETHER: Duration = Duration::from_millis(10);

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
