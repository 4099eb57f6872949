//! Decides whether a connection waits inside its receive call or lets the runtime wait.
//!
//! A wait inside the receive call saves a system call and a pass through epoll for each message, but nothing
//! else on the thread runs meanwhile. So only the sole client of a function waits this way, only while its
//! messages follow each other quickly, and only for a moment each time. Now and then the other tasks of the
//! thread have a turn.

use std::time::{Duration, Instant};

/// After a message that comes within this time, the next one is likely to come as soon.
const SOON: Duration = Duration::from_millis(1);
/// Bytes that are received between two turns of the other tasks of the thread.
const TURN: usize = 256 << 10;
/// A receive counts as at least so many bytes.
const LEAST: usize = TURN / 64;

/// Tracks how quickly a client's messages follow each other.
#[derive(Debug)]
pub struct Pace {
    /// True if the receive may wait: its time is bounded, and the connection does not poll instead.
    able: bool,
    /// True if the last message came soon.
    quick: bool,
    /// Bytes received since the last turn of the others.
    received: usize,
}

impl Pace {
    /// Creates the state of a connection; `able` says whether its receive may wait.
    pub fn new(able: bool) -> Self {
        Self {
            able,
            quick: false,
            received: 0,
        }
    }

    /// True if the receive may ever wait.
    pub fn is_able(&self) -> bool {
        self.able
    }

    /// True if the next receive should wait.
    pub fn is_quick(&self) -> bool {
        self.quick
    }

    /// Records a receive of so many bytes.
    pub fn received(&mut self, bytes: usize) {
        self.received = self.received.saturating_add(bytes.max(LEAST));
    }

    /// True if the other tasks have a turn before the next receive.
    pub fn is_turn(&mut self) -> bool {
        let turn = self.received >= TURN;
        if turn {
            self.received = 0;
        }
        turn
    }

    /// Records that no message came inside the receive.
    pub fn paused(&mut self) {
        self.quick = false;
    }

    /// Records a message that the runtime has waited for since `begun`.
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
        let turns = |bytes| {
            let mut pace = Pace::new(true);
            let mut next = || {
                pace.received(bytes);
                pace.is_turn()
            };
            (0..640).filter(|_| next()).count()
        };
        assert_eq!(turns(40), 10);
        assert_eq!(turns(TURN / 2), 320);
        assert_eq!(turns(TURN), 640);
    }
}
