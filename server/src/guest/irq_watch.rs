//! Ends a write to an eventfd that its owner keeps full.
//!
//! An eventfd without O_NONBLOCK makes a writer wait while it is full. The server checks before it writes,
//! but the owner can fill the eventfd in between, or remove O_NONBLOCK; no write is certain not to wait. So a
//! thread watches the writes. If a write takes longer than a moment and its eventfd is full, the thread reads
//! the eventfd, which makes room. The caller then gives that eventfd up.
//!
//! The thread sleeps while no eventfd is signalled.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::ReadWriteFlags;

use crate::limits::EVENTFD_MS;

/// Time between two checks: a write that two checks see takes too long.
const MOMENT: Duration = Duration::from_millis(EVENTFD_MS);
/// Number of checks without a new write after which the thread sleeps.
const QUIET: u32 = 50;

static WATCH: OnceLock<Watch> = OnceLock::new();

/// Starts the watching thread of this process. A second call does nothing.
pub fn start() -> io::Result<()> {
    if WATCH.get().is_none() {
        let _ = WATCH.set(Watch::start()?);
    }
    Ok(())
}

/// The outcome of a write to an eventfd.
#[derive(Debug)]
pub struct Written {
    /// The result of the write call.
    pub result: rustix::io::Result<usize>,
    /// True if the watching thread had to end the write.
    pub waited: bool,
}

/// Adds to an eventfd, under the eyes of the watching thread if it runs.
pub fn write(eventfd: &Arc<OwnedFd>, times: u64) -> Written {
    match WATCH.get() {
        Some(watch) => watch.write(eventfd, times),
        None => Written {
            result: add(eventfd, times),
            waited: false,
        },
    }
}

fn add(eventfd: &OwnedFd, times: u64) -> rustix::io::Result<usize> {
    rustix::io::write(eventfd, &times.to_ne_bytes())
}

#[derive(Debug)]
struct Watch {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct Shared {
    slot: Mutex<Slot>,
    asleep: AtomicBool,
}

/// The current write. The fabric's lock allows only one.
#[derive(Debug, Default)]
struct Slot {
    /// Number of writes so far.
    number: u64,
    eventfd: Option<Arc<OwnedFd>>,
    ended: bool,
}

impl Shared {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self) {
        let (mut last, mut quiet) = (0, 0);
        loop {
            self.asleep.store(true, Ordering::SeqCst);
            while self.slot().number == last {
                std::thread::park();
            }
            self.asleep.store(false, Ordering::SeqCst);
            while quiet < QUIET {
                std::thread::sleep(MOMENT);
                let mut slot = self.slot();
                if slot.number != last {
                    (last, quiet) = (slot.number, 0);
                } else if let Some(eventfd) = &slot.eventfd {
                    // On a busy machine, a writer may just have got no processor: then the eventfd has room.
                    if is_full(eventfd) {
                        make_room(eventfd);
                        slot.ended = true;
                    }
                } else {
                    quiet += 1;
                }
            }
            quiet = 0;
        }
    }
}

impl Watch {
    fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let watched = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("eventfd-watch".to_owned())
            .stack_size(64 << 10)
            .spawn(move || watched.watch())?;
        let thread = thread.thread().clone();
        Ok(Self { shared, thread })
    }

    fn write(&self, eventfd: &Arc<OwnedFd>, times: u64) -> Written {
        let mut slot = self.shared.slot();
        slot.number += 1;
        slot.eventfd = Some(Arc::clone(eventfd));
        slot.ended = false;
        drop(slot);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        let result = add(eventfd, times);
        let mut slot = self.shared.slot();
        slot.eventfd = None;
        Written {
            result,
            waited: slot.ended,
        }
    }
}

fn is_full(eventfd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(eventfd, PollFlags::OUT)];
    rustix::event::poll(&mut fds, Some(&Timespec::default())) == Ok(0)
}

/// Reads an eventfd without waiting, so that it has room again.
fn make_room(eventfd: impl AsFd) {
    let mut count = [0; 8];
    let mut buffers = [io::IoSliceMut::new(&mut count)];
    // Offset -1 is the current position; an eventfd has no position.
    let _ = rustix::io::preadv2(eventfd, &mut buffers, u64::MAX, ReadWriteFlags::NOWAIT);
}

#[cfg(test)]
mod tests {
    use rustix::event::{EventfdFlags, eventfd};

    use super::*;

    fn full(flags: EventfdFlags) -> Arc<OwnedFd> {
        let fd = eventfd(0, flags).unwrap();
        rustix::io::write(&fd, &(u64::MAX - 1).to_ne_bytes()).unwrap();
        Arc::new(fd)
    }

    #[test]
    fn a_write_that_waits_is_ended() {
        let watch = Watch::start().unwrap();
        for flags in [EventfdFlags::empty(), EventfdFlags::SEMAPHORE] {
            // Two rounds, because the thread sleeps before the first.
            for _ in 0..2 {
                let written = watch.write(&full(flags), 1);
                assert_eq!(written.result, Ok(8));
                assert!(written.waited);
            }
        }
        let quick = Arc::new(eventfd(0, EventfdFlags::empty()).unwrap());
        let written = watch.write(&quick, 1);
        assert!(written.result.is_ok() && !written.waited);
    }

    #[test]
    fn a_writer_that_has_no_processor_is_left_alone() {
        let watch = Watch::start().unwrap();
        let eventfd = Arc::new(eventfd(1, EventfdFlags::NONBLOCK).unwrap());
        // This is the state of a writer that stops just before its system call.
        let mut slot = watch.shared.slot();
        slot.number += 1;
        slot.eventfd = Some(Arc::clone(&eventfd));
        drop(slot);
        watch.thread.unpark();
        std::thread::sleep(5 * MOMENT);
        assert!(!watch.shared.slot().ended);
        let mut count = [0; 8];
        rustix::io::read(&eventfd, &mut count).unwrap();
        assert_eq!(
            u64::from_ne_bytes(count),
            1,
            "the interrupt before it is still there"
        );
    }

    #[test]
    fn the_thread_sleeps_when_nothing_is_written_and_wakes_up_again() {
        let watch = Watch::start().unwrap();
        let asleep = || watch.shared.asleep.load(Ordering::SeqCst);
        for _ in 0..2 {
            let slept = (0..1000).any(|_| {
                std::thread::sleep(Duration::from_millis(20));
                asleep()
            });
            assert!(slept);
            assert!(watch.write(&full(EventfdFlags::empty()), 1).waited);
        }
    }
}
