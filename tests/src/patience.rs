//! Waiting that fails a test instead of hanging it.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, Timespec, poll};
use rustix::io::retry_on_intr;

/// No answer within this time fails a test. It bounds a test that hangs and measures nothing, so it
/// leaves room for a machine on which each processor has ten other things to do.
pub const PATIENCE: Duration = Duration::from_secs(180);
/// Waits until one of `fds` is ready, for [`PATIENCE`] at the most; returns how many are.
#[track_caller]
pub fn wait(fds: &mut [PollFd<'_>]) -> usize {
    let timeout = Timespec {
        tv_sec: PATIENCE.as_secs() as i64,
        tv_nsec: 0,
    };
    retry_on_intr(|| poll(fds, Some(&timeout))).unwrap()
}

/// Waits until `done` yields something, looking again and again; fails after [`PATIENCE`].
#[track_caller]
pub fn eventually<T>(what: &str, done: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, done)
}

/// As [`eventually`], with a patience of its own.
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
