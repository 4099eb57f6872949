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

/// Adds 1 to an eventfd, under the eyes of the watching thread if it runs.
pub fn write(eventfd: &Arc<OwnedFd>) -> Written {
    match WATCH.get() {
        Some(watch) => watch.write(eventfd),
        None => Written {
            result: add(eventfd),
            waited: false,
        },
    }
}

fn add(eventfd: &OwnedFd) -> rustix::io::Result<usize> {
    rustix::io::write(eventfd, &1_u64.to_ne_bytes())
}

#[derive(Debug)]
struct Watch {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct Shared {
    writes: Mutex<Writes>,
    asleep: AtomicBool,
}

/// The current writes. The fabric's lock allows one interrupt at a time, but each ring wakes its client
/// without that lock.
#[derive(Debug, Default)]
struct Writes {
    /// Number of writes so far.
    number: u64,
    current: Vec<Current>,
}

#[derive(Debug)]
struct Current {
    number: u64,
    eventfd: Arc<OwnedFd>,
    ended: bool,
}

impl Writes {
    /// Notes a write and returns its number.
    fn begin(&mut self, eventfd: &Arc<OwnedFd>) -> u64 {
        self.number += 1;
        self.current.push(Current {
            number: self.number,
            eventfd: Arc::clone(eventfd),
            ended: false,
        });
        self.number
    }

    /// Forgets a write. Returns true if the watching thread had to end it.
    fn end(&mut self, number: u64) -> bool {
        let found = self.current.iter().position(|write| write.number == number);
        found.is_some_and(|at| self.current.swap_remove(at).ended)
    }

    /// Ends the writes up to number `last` that wait for room.
    fn end_waiting(&mut self, last: u64) {
        for write in self.current.iter_mut().filter(|write| write.number <= last) {
            // On a busy machine, a writer may just have got no processor: then the eventfd has room.
            if is_full(&write.eventfd) {
                make_room(&write.eventfd);
                write.ended = true;
            }
        }
    }
}

impl Shared {
    fn writes(&self) -> MutexGuard<'_, Writes> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self) {
        let (mut last, mut quiet) = (0, 0);
        loop {
            self.asleep.store(true, Ordering::SeqCst);
            while self.writes().number == last {
                std::thread::park();
            }
            self.asleep.store(false, Ordering::SeqCst);
            while quiet < QUIET {
                std::thread::sleep(MOMENT);
                let mut writes = self.writes();
                writes.end_waiting(last);
                if writes.number != last || !writes.current.is_empty() {
                    (last, quiet) = (writes.number, 0);
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

    fn write(&self, eventfd: &Arc<OwnedFd>) -> Written {
        let number = self.shared.writes().begin(eventfd);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        let result = add(eventfd);
        let waited = self.shared.writes().end(number);
        Written { result, waited }
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
    use std::time::Instant;

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
                let written = watch.write(&full(flags));
                assert_eq!(written.result, Ok(8));
                assert!(written.waited);
            }
        }
        let quick = Arc::new(eventfd(0, EventfdFlags::empty()).unwrap());
        let written = watch.write(&quick);
        assert!(written.result.is_ok() && !written.waited);
    }

    #[test]
    fn several_writes_that_wait_at_the_same_time_are_ended() {
        let watch = Watch::start().unwrap();
        let quick = Arc::new(eventfd(0, EventfdFlags::empty()).unwrap());
        let full = [(); 3].map(|()| full(EventfdFlags::empty()));
        let end = Instant::now() + Duration::from_secs(60);
        std::thread::scope(|scope| {
            let slow = full.each_ref();
            let slow = slow.map(|full| scope.spawn(|| watch.write(full).waited));
            // Each quick write begins and ends while the others wait.
            while !slow.iter().all(|slow| slow.is_finished()) && Instant::now() < end {
                assert!(!watch.write(&quick).waited);
            }
            // Without this, a write that nobody ended would keep the test waiting.
            full.iter().for_each(make_room);
            assert!(slow.into_iter().all(|slow| slow.join().unwrap()));
        });
    }

    #[test]
    fn a_writer_that_has_no_processor_is_left_alone() {
        let watch = Watch::start().unwrap();
        let eventfd = Arc::new(eventfd(1, EventfdFlags::NONBLOCK).unwrap());
        // This is the state of a writer that stops just before its system call.
        let number = watch.shared.writes().begin(&eventfd);
        watch.thread.unpark();
        std::thread::sleep(5 * MOMENT);
        assert!(!watch.shared.writes().end(number));
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
            assert!(watch.write(&full(EventfdFlags::empty())).waited);
        }
    }
}
