//! The events of a hub go to their file, and to those who follow them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::UnboundedReceiver;

use crate::record::event_file::EventFile;
use crate::record::event_file::{Out, State};

/// Records of events go to the event file, if there is one, and to those who follow them.
#[derive(Debug)]
pub(super) struct EventWriting {
    pub(super) out: Arc<Mutex<Out>>,
    pub(super) state: Arc<State>,
    /// Whether events are recorded at all.
    pub(super) recording: AtomicBool,
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

    pub(super) fn is_recording(&self) -> bool {
        self.recording.load(Ordering::Relaxed)
    }
}

/// Lines of events as they come. Ends if they are taken too slowly.
#[derive(Debug)]
pub struct Followed {
    pub(super) lines: UnboundedReceiver<Arc<[u8]>>,
    pub(super) waiting: Arc<AtomicUsize>,
}

impl Followed {
    /// The next whole lines; `None` once too many waited.
    pub async fn next(&mut self) -> Option<Arc<[u8]>> {
        let lines = self.lines.recv().await?;
        self.waiting.fetch_sub(lines.len(), Ordering::Relaxed);
        Some(lines)
    }
}
