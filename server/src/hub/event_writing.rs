//! Passes the events of a hub to the event file and to followers.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::UnboundedReceiver;

use crate::record::event_file::EventFile;
use crate::record::event_file::{Out, State};

/// Passes records of events to the event file, if there is one, and to followers.
#[derive(Debug)]
pub(super) struct EventWriting {
    pub(super) out: Arc<Mutex<Out>>,
    pub(super) state: Arc<State>,
    /// True if events are recorded at all.
    pub(super) recording: AtomicBool,
}

impl EventWriting {
    /// Creates the records for functions of these names, with a file if there is one.
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

    pub(super) fn is_recording(&self) -> bool {
        self.recording.load(Ordering::Relaxed)
    }
}

/// A stream of event lines. It ends if its reader is too slow.
#[derive(Debug)]
pub struct Followed {
    pub(super) lines: UnboundedReceiver<Arc<[u8]>>,
    pub(super) waiting: Arc<AtomicUsize>,
}

impl Followed {
    /// Returns the next complete lines; `None` once too many bytes waited.
    pub async fn next(&mut self) -> Option<Arc<[u8]>> {
        let lines = self.lines.recv().await?;
        self.waiting.fetch_sub(lines.len(), Ordering::Relaxed);
        Some(lines)
    }
}
