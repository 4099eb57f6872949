//! How long to look for the next message before waiting for it.
//!
//! Waiting costs a wake-up, several times what a message costs; looking costs a processor. So it is
//! done right after a message only, for a bounded time, and less and less where it was in vain: a
//! client that comes back later than that is waited for from the start, until it is quicker again.

use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Looks between two readings of the clock, and between two chances for other tasks.
const LOOKS: u32 = 16;
/// Less than this is not worth looking.
const LEAST: Duration = Duration::from_micros(1);

/// How long one connection looks.
#[derive(Debug)]
pub struct Spin {
    most: Duration,
    now: Duration,
    /// A message came since it was looked for the last time.
    due: bool,
}

/// One looking, and the waiting after it.
#[derive(Debug)]
pub struct Begun {
    at: Instant,
    looks: u32,
    until: Duration,
}

impl Spin {
    /// For at most `most`; not at all for zero.
    pub fn new(most: Duration) -> Self {
        Self {
            most,
            now: most,
            due: false,
        }
    }

    /// Begins to look for the message after the last one, once. `None`: only wait for it.
    pub fn begin(&mut self) -> Option<Begun> {
        let due = std::mem::take(&mut self.due);
        due.then(|| Begun {
            at: Instant::now(),
            looks: 0,
            until: self.now,
        })
    }

    /// It was there.
    pub fn hit(&mut self) {
        self.now = self.most;
        self.due = true;
    }

    /// It was waited for, and has come now.
    pub fn came(&mut self, begun: Option<&Begun>) {
        self.due = !self.most.is_zero();
        if let Some(begun) = begun {
            self.came_after(begun.at.elapsed());
        }
    }

    fn came_after(&mut self, time: Duration) {
        self.now = if time <= self.most {
            self.most
        } else {
            Some(self.now / 2)
                .filter(|now| *now >= LEAST)
                .unwrap_or_default()
        };
    }
}

impl Begun {
    /// Whether to look at all.
    pub fn is_worth_it(&self) -> bool {
        !self.until.is_zero()
    }

    /// Whether to look again, without a turn for others.
    pub fn goes_on_alone(&mut self) -> bool {
        self.looks = self.looks.wrapping_add(1);
        std::hint::spin_loop();
        !self.looks.is_multiple_of(LOOKS) || self.at.elapsed() < self.until
    }

    /// Whether to look again; other tasks of this thread have their turn now and then.
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
        spin.came_after(MOST);
        assert_eq!(spin.now, MOST);
        spin.came_after(MOST * 2);
        assert_eq!(spin.now, MOST / 2);
        spin.hit();
        assert_eq!(spin.now, MOST);
    }

    #[tokio::test]
    async fn looking_is_bounded_and_others_have_their_turn() {
        let others = tokio::spawn(async { Instant::now() });
        let mut spin = Spin::new(Duration::from_millis(5));
        spin.came(None);
        let mut begun = spin.begin().unwrap();
        while begun.goes_on().await {}
        let ended = Instant::now();
        assert!(ended - begun.at >= Duration::from_millis(5));
        assert!(others.is_finished() && others.await.unwrap() < ended);
    }
}
