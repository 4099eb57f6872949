//! The output of a guest since a scenario began.

use std::sync::{Arc, Mutex, PoisonError};

use crate::agent::Sink;
use crate::guest::Guest;

/// As much of one guest's command output as is kept for `prints`.
const MOST: usize = 4 << 20;

/// The output of a guest's console and of the scenario's commands in the guest.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    guest: Arc<Guest>,
    console_from: u64,
    commands: Arc<Mutex<Vec<u8>>>,
}

impl Heard {
    /// Listens to `guest` from now on.
    pub(super) fn new(guest: &Arc<Guest>) -> Self {
        Self {
            guest: Arc::clone(guest),
            console_from: guest.console.length(),
            commands: Arc::default(),
        }
    }

    /// The guest's number.
    pub(super) fn guest_number(&self) -> usize {
        self.guest.number
    }

    /// Whether `text` was printed.
    pub(super) fn has(&self, text: &str) -> bool {
        let said = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        contains(&said, text) || contains(&self.console(), text)
    }

    /// The console's output.
    pub(super) fn console(&self) -> Vec<u8> {
        self.guest.console.printed(self.console_from)
    }

    /// A place for a command's output, which is heard here as well.
    pub(super) fn output(&self) -> Output {
        Output {
            own: Arc::default(),
            heard: Arc::clone(&self.commands),
        }
    }
}

/// Whether `text` stands in `bytes`.
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
