//! A mutex that threads take in turns.
//!
//! The standard one goes to whoever asks first. A thread that gives it back and takes it again at once asks
//! long before the threads that must be woken first, again and again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A mutex that threads take in turns. It stays usable after a panic of a thread that held it.
#[derive(Debug)]
pub(super) struct Turns<T> {
    value: Mutex<T>,
    /// The thread that has the next turn holds this until its turn comes.
    next: Mutex<()>,
    /// Number of threads that wait for their turn.
    waiting: AtomicUsize,
}

impl<T> Turns<T> {
    pub(super) fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
            next: Mutex::new(()),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Takes the mutex at once if nobody holds it or waits for it, otherwise after the others.
    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        if self.waiting.load(Ordering::Relaxed) == 0
            && let Ok(value) = self.value.try_lock()
        {
            return value;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let turn = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        drop(turn);
        value
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn who_waits_comes_before_who_has_just_had_it() {
        let order = Turns::new(Vec::new());
        thread::scope(|scope| {
            let mut first = order.lock();
            scope.spawn(|| order.lock().push("who waits"));
            while order.next.try_lock().is_ok() {
                thread::yield_now();
            }
            first.push("first");
            drop(first);
            order.lock().push("first, again");
        });
        assert_eq!(*order.lock(), ["first", "who waits", "first, again"]);
    }

    #[test]
    fn nothing_is_lost_between_threads_that_take_it_all_the_time() {
        let count = Turns::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| *count.lock() += 1));
            }
        });
        assert_eq!(*count.lock(), 4000);
        assert_eq!(count.waiting.into_inner(), 0);
    }

    #[test]
    fn a_panic_leaves_it_usable() {
        let value = Turns::new(1);
        thread::scope(|scope| {
            let panics = scope.spawn(|| {
                let _held = value.lock();
                panic!("on purpose");
            });
            assert!(panics.join().is_err());
        });
        assert_eq!(*value.lock(), 1);
    }
}
