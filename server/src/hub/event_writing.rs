//! Events on their way from the hub, which makes them under its lock, to their file.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::Hub;
use crate::record::EventFile;
use crate::record::event_file::Out;

/// How long lines wait for more, to be written together.
const TOGETHER: Duration = Duration::from_millis(10);

/// Where the lines of the event file go.
#[derive(Debug)]
pub(super) struct EventWriting {
    out: Arc<Mutex<Out>>,
    pending: Arc<Notify>,
}

impl EventWriting {
    pub fn of(file: &EventFile) -> Self {
        Self {
            out: file.out(),
            pending: file.pending_lines(),
        }
    }
}

impl Hub {
    /// Writes events as they come, a moment later; for ever.
    pub async fn write_events(&self) {
        let Some(writing) = &self.events else {
            return std::future::pending().await;
        };
        loop {
            writing.pending.notified().await;
            tokio::time::sleep(TOGETHER).await;
            self.flush_events();
        }
    }

    /// Hands everything that was recorded to the system. The hub is not locked while it writes.
    pub fn flush_events(&self) {
        let Some(writing) = &self.events else { return };
        let mut out = writing.out.lock().unwrap_or_else(PoisonError::into_inner);
        let written = out.write(|spare| match self.lock().journal.events_mut() {
            Some(events) => events.take_pending(spare),
            None => spare,
        });
        if let Err(error) = written
            && let Some(events) = self.lock().journal.events_mut()
        {
            events.give_up(&error);
        }
    }

    /// As [`Hub::flush_events`], if there are many.
    pub(super) fn flush_many_events(&self) {
        if self.events.is_some()
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
