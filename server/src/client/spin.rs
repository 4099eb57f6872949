//! Decides how long a connection polls for the next message before it waits for it.
//!
//! Waiting costs a wake-up, which is several times the cost of a message; polling occupies a processor. So a
//! connection polls only right after a message and for a bounded time, and less and less if it finds nothing.
//! For a client that comes back later than that, the connection waits from the start, until the client was
//! quick several times. Once says little: a client on the same processor is quick only if nobody polls.

use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Number of checks between two readings of the clock, and between two chances for other tasks.
pub const LOOKS: u32 = 16;
/// Shortest time for which polling is worthwhile.
const LEAST: Duration = Duration::from_micros(1);
/// Number of quick messages in a row after which the connection polls again.
const QUICK: u32 = 8;

/// The polling time of one connection.
#[derive(Debug)]
pub struct Spin {
    most: Duration,
    now: Duration,
    /// Number of messages in a row that came soon while the connection waited.
    quick: u32,
    /// True if a message came since the connection last polled.
    due: bool,
}

/// One round of polling, and the wait after it.
#[derive(Debug)]
pub struct Begun {
    at: Instant,
    looks: u32,
    until: Duration,
}

impl Spin {
    /// Polls for at most `most`; zero disables polling.
    pub fn new(most: Duration) -> Self {
        Self {
            most,
            now: most,
            quick: 0,
            due: false,
        }
    }

    /// True if the connection polls for the next message. A few polls need no clock.
    pub fn is_due(&self) -> bool {
        self.due && !self.now.is_zero()
    }

    /// Begins to poll once for the message after the last one. `None` means: only wait for it.
    pub fn begin(&mut self) -> Option<Begun> {
        let due = std::mem::take(&mut self.due);
        due.then(|| Begun {
            at: Instant::now(),
            looks: 0,
            until: self.now,
        })
    }

    /// Records that the message came during polling.
    pub fn hit(&mut self) {
        self.now = self.most;
        self.due = true;
    }

    /// Records that the message came after a wait.
    pub fn came(&mut self, begun: Option<&Begun>) {
        self.due = !self.most.is_zero();
        if let Some(begun) = begun {
            self.came_after(begun.at.elapsed());
        }
    }

    fn came_after(&mut self, time: Duration) {
        if time > self.most {
            let half = Some(self.now / 2).filter(|now| *now >= LEAST);
            (self.now, self.quick) = (half.unwrap_or_default(), 0);
            return;
        }
        self.quick += 1;
        if self.quick == QUICK {
            (self.now, self.quick) = (self.most, 0);
        }
    }
}

impl Begun {
    /// True if the connection should poll at all.
    pub fn is_worth_it(&self) -> bool {
        !self.until.is_zero()
    }

    /// True if the connection should check again, without a turn for other tasks.
    pub fn goes_on_alone(&mut self) -> bool {
        self.looks = self.looks.wrapping_add(1);
        std::hint::spin_loop();
        !self.looks.is_multiple_of(LOOKS) || self.at.elapsed() < self.until
    }

    /// True if the connection should check again. Other tasks of this thread have a turn now and then.
    pub async fn goes_on(&mut self) -> bool {
        self.looks = self.looks.wrapping_add(1);
        if !self.looks.is_multiple_of(LOOKS) {
            std::hint::spin_loop();
            return true;
        }
        if self.at.elapsed() >= self.until {
            return false;
        }
        let mut turned = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut turned, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_micros(50);

    #[test]
    fn it_looks_once_after_each_message_if_it_may() {
        let mut spin = Spin::new(Duration::ZERO);
        spin.came(None);
        assert!(spin.begin().is_none());
        let mut spin = Spin::new(MOST);
        assert!(spin.begin().is_none());
        spin.came(None);
        assert!(spin.begin().unwrap().is_worth_it());
        assert!(spin.begin().is_none());
        spin.hit();
        assert!(spin.begin().is_some());
    }

    #[test]
    fn looking_in_vain_ends_and_a_quick_client_brings_it_back() {
        let mut spin = Spin::new(MOST);
        for _ in 0..10 {
            spin.came_after(Duration::from_millis(1));
        }
        spin.came_after(MOST * 2);
        spin.came(None);
        assert!(!spin.begin().unwrap().is_worth_it());
        for _ in 1..QUICK {
            spin.came_after(MOST);
        }
        spin.came_after(MOST * 2);
        for _ in 1..QUICK {
            spin.came_after(MOST);
            assert!(spin.now.is_zero());
        }
        spin.came_after(MOST);
        assert_eq!(spin.now, MOST);
        spin.came_after(MOST * 2);
        assert_eq!(spin.now, MOST / 2);
        spin.hit();
        assert_eq!(spin.now, MOST);
    }

    #[tokio::test]
    async fn looking_is_bounded_and_others_have_their_turn() {
        // A machine without a free processor may need much of this time before the first turn.
        let others = tokio::spawn(async { Instant::now() });
        let mut spin = Spin::new(Duration::from_millis(300));
        spin.came(None);
        let mut begun = spin.begin().unwrap();
        while begun.goes_on().await {}
        let ended = Instant::now();
        assert!(ended - begun.at >= Duration::from_millis(300));
        assert!(others.is_finished() && others.await.unwrap() < ended);
    }
}
