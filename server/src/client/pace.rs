//! Whether a connection waits inside its receive, or lets the runtime wait.
//!
//! A wait inside the receive saves a system call and a way through epoll for each message, but nothing
//! else on the thread has its turn meanwhile. So only the one client of a function does it, only while
//! its messages come one soon after the other, and for a moment each time; and now and then the others
//! on the thread have their turn.

use std::time::{Duration, Instant};

/// A message that comes within this time may well be followed by another one as soon.
const SOON: Duration = Duration::from_millis(1);
/// Messages between two turns of the others on the thread.
const TURN: u32 = 64;

/// How soon a client's messages come.
#[derive(Debug)]
pub struct Pace {
    /// The receive may wait: its time is bounded, and the connection looks for no messages instead.
    able: bool,
    /// The last message came soon.
    quick: bool,
    messages: u32,
}

impl Pace {
    /// Of a connection whose receive may wait, if it is `able` to.
    pub fn new(able: bool) -> Self {
        Self {
            able,
            quick: false,
            messages: 0,
        }
    }

    /// Whether the receive may ever wait.
    pub fn is_able(&self) -> bool {
        self.able
    }

    /// Whether to wait inside the receive.
    pub fn is_quick(&self) -> bool {
        self.quick
    }

    /// A message has come inside the receive. Whether the others on the thread have their turn now.
    pub fn came(&mut self) -> bool {
        self.messages = self.messages.wrapping_add(1);
        self.messages.is_multiple_of(TURN)
    }

    /// None has come inside the receive.
    pub fn paused(&mut self) {
        self.quick = false;
    }

    /// A message has come that the runtime waited for since `begun`.
    pub fn came_since(&mut self, begun: Option<Instant>) {
        self.quick = begun.is_some_and(|begun| begun.elapsed() < SOON);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_waited_for_in_the_receive_while_it_is_quick() {
        let mut pace = Pace::new(true);
        assert!(!pace.is_quick());
        let long_ago = Instant::now().checked_sub(2 * SOON).unwrap();
        pace.came_since(Some(long_ago));
        assert!(!pace.is_quick());
        pace.came_since(Some(Instant::now() + SOON));
        assert!(pace.is_quick());
        pace.paused();
        assert!(!pace.is_quick());
    }

    #[test]
    fn the_others_have_their_turn_now_and_then() {
        let mut pace = Pace::new(true);
        let turns = (0..10 * TURN).filter(|_| pace.came()).count();
        assert_eq!(turns, 10);
    }
}
