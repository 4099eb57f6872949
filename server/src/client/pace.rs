//! Decides whether a connection waits inside its receive call or lets the runtime wait.
//!
//! A wait inside the receive call saves a system call and a pass through epoll for each message, but nothing
//! else on the thread runs meanwhile. So only the sole client of a function waits this way, only while its
//! messages follow each other quickly, and only for a moment each time. Now and then the other tasks of the
//! thread have a turn.

use std::time::{Duration, Instant};

/// After a message that comes within this time, the next one is likely to come as soon.
const SOON: Duration = Duration::from_millis(1);
/// Number of receives between two turns of the other tasks of the thread.
const TURN: u32 = 64;

/// Tracks how quickly a client's messages follow each other.
#[derive(Debug)]
pub struct Pace {
    /// True if the receive may wait: its time is bounded, and the connection does not poll instead.
    able: bool,
    /// True if the last message came soon.
    quick: bool,
    receives: u32,
}

impl Pace {
    /// Creates the state of a connection; `able` says whether its receive may wait.
    pub fn new(able: bool) -> Self {
        Self {
            able,
            quick: false,
            receives: 0,
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

    /// Begins a receive. Returns true if the other tasks have a turn before it.
    pub fn is_turn(&mut self) -> bool {
        self.receives = self.receives.wrapping_add(1);
        self.receives.is_multiple_of(TURN)
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
        let mut pace = Pace::new(true);
        let turns = (0..10 * TURN).filter(|_| pace.is_turn()).count();
        assert_eq!(turns, 10);
    }
}
