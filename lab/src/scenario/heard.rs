//! The output of a guest since a scenario began.

use std::sync::{Arc, Mutex, PoisonError};

use crate::agent::Sink;
use crate::guest::Guest;

/// Most bytes of one guest's command output that are kept for `prints`.
const MOST: usize = 4 << 20;

/// The output of a guest's console and of the scenario's commands in the guest.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    guest: Arc<Guest>,
    console_from: u64,
    commands: Arc<Mutex<Vec<u8>>>,
}

impl Heard {
    /// Collects the output of `guest` from now on.
    pub(super) fn new(guest: &Arc<Guest>) -> Self {
        Self {
            guest: Arc::clone(guest),
            console_from: guest.console.length(),
            commands: Arc::default(),
        }
    }

    /// Number of the guest.
    pub(super) fn guest_number(&self) -> usize {
        self.guest.number
    }

    /// Whether the guest has printed `text`.
    pub(super) fn has(&self, text: &str) -> bool {
        let said = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        contains(&said, text) || contains(&self.console(), text)
    }

    /// The console's output.
    pub(super) fn console(&self) -> Vec<u8> {
        self.guest.console.printed(self.console_from)
    }

    /// A receiver of a command's output. The output is collected here, too.
    pub(super) fn output(&self) -> Output {
        Output {
            own: Arc::default(),
            heard: Arc::clone(&self.commands),
        }
    }
}

/// Whether `bytes` contains `text`.
pub(super) fn contains(bytes: &[u8], text: &str) -> bool {
    text.is_empty()
        || bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
}

/// The output of a command.
#[derive(Debug, Clone)]
pub(super) struct Output {
    own: Arc<Mutex<Vec<u8>>>,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Output {
    /// The output so far.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.own
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Sink for Output {
    fn take(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        for place in [&self.own, &self.heard] {
            let mut kept = place.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() < MOST {
                kept.extend_from_slice(bytes);
            }
        }
        Ok(())
    }
}
