//! Waits that make a test fail instead of hang.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, Timespec, poll};
use rustix::io::retry_on_intr;

/// Time after which a missing answer fails a test. It limits a test that hangs and measures nothing, so it
/// leaves room for a machine on which each processor has ten other tasks.
pub const PATIENCE: Duration = Duration::from_secs(180);
/// Waits until one of `fds` is ready, at most for [`PATIENCE`]. Returns how many are ready.
#[track_caller]
pub fn wait(fds: &mut [PollFd<'_>]) -> usize {
    let timeout = Timespec {
        tv_sec: PATIENCE.as_secs() as i64,
        tv_nsec: 0,
    };
    retry_on_intr(|| poll(fds, Some(&timeout))).unwrap()
}

/// Waits until `done` returns a value, by calling it repeatedly. Fails after [`PATIENCE`].
#[track_caller]
pub fn eventually<T>(what: &str, done: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, done)
}

/// Like [`eventually`], with another time limit.
#[track_caller]
pub fn within<T>(patience: Duration, what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(
            start.elapsed() < patience,
            "not within {patience:?}: {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}
