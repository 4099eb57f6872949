//! Threads of one test that wait for each other.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::patience::PATIENCE;

/// Excludes other callers while the result exists. A test that polls memory leaves a processor to the server
/// only if it is the only such test.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits by polling, which sees a store at once. Yields the processor now and then, because there may be only
/// one.
#[track_caller]
pub fn spin(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    for look in 1_u64.. {
        if done() {
            return;
        }
        if look % 4096 == 0 {
            assert!(
                start.elapsed() < PATIENCE,
                "not within {PATIENCE:?}: {what}"
            );
            std::thread::yield_now();
        }
    }
}

/// Sets a flag when dropped, so that threads that wait for it end even if the test fails.
#[derive(Debug)]
pub struct SetAtEnd<'a>(pub &'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}
