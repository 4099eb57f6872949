// SPDX-License-Identifier: GPL-2.0-or-later
//! Transports the bytes of an instruction channel, by its socket or by a ring in shared memory.
//!
//! The ring needs no system call while both sides are busy. This side creates the memory and the two
//! eventfds; the server may decline them. With a ring, the socket only shows when the server leaves.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::{Errno as SystemErrno, ReadWriteFlags, preadv2};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recv, sendmsg};
use vfio_user_ring::{End, Mapping, Side, Wait};

use super::channel_error::ChannelError;

/// Time that this side polls for bytes before it waits for them. An answer takes about as long as a wake-up.
const LOOK: Duration = Duration::from_micros(50);
/// Number of checks of the ring before the first one that yields the processor.
const LOOKS: u32 = 200;
/// Duration of a receive during which other threads must have had the processor.
const CROWDED: Duration = Duration::from_micros(500);
/// Number of receives after such a one that wait to be woken instead of yielding the processor.
const WOKEN: u32 = 64;

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Link {
    stream: UnixStream,
    patience: Duration,
    /// The ring, which carries all bytes once it exists.
    ring: Option<Ring>,
    crowd: Crowd,
}

/// Tells whether other threads want this processor. Then each yield takes milliseconds, and the answer
/// through the ring comes long before.
#[derive(Debug, Default)]
struct Crowd {
    /// Number of receives that do not yield the processor.
    woken: u32,
}

impl Crowd {
    /// Begins a receive. Returns true if it may yield the processor.
    fn may_yield(&mut self) -> bool {
        let alone = self.woken == 0;
        self.woken = self.woken.saturating_sub(1);
        alone
    }

    /// Records the duration of a receive.
    fn took(&mut self, time: Duration) {
        if time >= CROWDED {
            self.woken = WOKEN;
        }
    }
}

/// This side's end of the ring.
#[derive(Debug)]
pub(crate) struct Ring {
    end: End<Mapping>,
    memory: OwnedFd,
    /// This side writes this eventfd if the server waits.
    wakes: OwnedFd,
    /// The server writes this eventfd if this side waits.
    woken: OwnedFd,
}

impl Ring {
    /// Creates an unused ring.
    ///
    /// # Errors
    /// The system has no memory or no descriptor left.
    pub(crate) fn new() -> io::Result<Self> {
        let (mapping, memory) = Mapping::create()?;
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Self {
            end: End::new(mapping, Side::Client),
            memory,
            wakes: eventfd(0, flags)?,
            woken: eventfd(0, flags)?,
        })
    }

    fn wake(&self) -> io::Result<()> {
        // A full counter wakes the server too.
        match rustix::io::write(&self.wakes, &1_u64.to_ne_bytes()) {
            Ok(_) | Err(SystemErrno::AGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the bytes that have arrived, if any.
    fn receive(&mut self, room: &mut [u8]) -> Result<Option<usize>, ChannelError> {
        let count = self.end.receive(room)?;
        if count > 0 && self.end.must_wake_for_room() {
            self.wake().map_err(ChannelError::Socket)?;
        }
        Ok(Some(count).filter(|count| *count > 0))
    }
}

impl Link {
    /// Connects to the socket at `path`. No operation may take longer than `patience`.
    ///
    /// # Errors
    /// See [`ChannelError`].
    pub(crate) fn connect(path: &Path, patience: Duration) -> Result<Self, ChannelError> {
        let stream = UnixStream::connect(path).map_err(ChannelError::Connect)?;
        let times = stream
            .set_read_timeout(Some(patience))
            .and_then(|()| stream.set_write_timeout(Some(patience)));
        times.map_err(ChannelError::Socket)?;
        Ok(Self {
            stream,
            patience,
            ring: None,
            crowd: Crowd::default(),
        })
    }

    /// Longest time that an operation may take.
    pub(crate) const fn patience(&self) -> Duration {
        self.patience
    }

    /// Sends bytes and the descriptors of a ring by the socket.
    ///
    /// # Errors
    /// See [`ChannelError`].
    pub(crate) fn offer(&mut self, ring: &Ring, bytes: &[u8]) -> Result<(), ChannelError> {
        let fds = [ring.memory.as_fd(), ring.wakes.as_fd(), ring.woken.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&fds));
        let sent = loop {
            let parts = [IoSlice::new(bytes)];
            match sendmsg(&self.stream, &parts, &mut control, SendFlags::NOSIGNAL) {
                Err(SystemErrno::INTR) => {}
                sent => break sent.map_err(|error| self.failure(error.into()))?,
            }
        };
        self.send(bytes.get(sent..).unwrap_or_default())
    }

    /// Sends and receives all bytes through this ring from now on.
    pub(crate) fn use_ring(&mut self, ring: Ring) {
        self.ring = Some(ring);
    }

    /// Sends all of these bytes.
    ///
    /// # Errors
    /// See [`ChannelError`].
    pub(crate) fn send(&mut self, mut bytes: &[u8]) -> Result<(), ChannelError> {
        let Some(ring) = &mut self.ring else {
            let sent = self.stream.write_all(bytes);
            return sent.map_err(|error| self.failure(error));
        };
        let mut deadline = None;
        while !bytes.is_empty() {
            let sent = ring.end.send(bytes)?;
            if sent > 0 && ring.end.must_wake() {
                ring.wake().map_err(ChannelError::Socket)?;
            }
            bytes = bytes.get(sent..).unwrap_or_default();
            if sent == 0 {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.patience);
                if wait(&self.stream, ring, Wait::Room, deadline, self.patience)? {
                    return Err(ChannelError::Closed);
                }
            }
        }
        Ok(())
    }

    /// Receives bytes without waiting; `None` if there are none, 0 bytes if the server has left.
    ///
    /// # Errors
    /// See [`ChannelError`].
    pub(crate) fn receive_now(&mut self, room: &mut [u8]) -> Result<Option<usize>, ChannelError> {
        if let Some(ring) = &mut self.ring {
            return ring.receive(room);
        }
        loop {
            match recv(&self.stream, &mut *room, RecvFlags::DONTWAIT) {
                Ok((count, _)) => return Ok(Some(count)),
                Err(SystemErrno::AGAIN) => return Ok(None),
                Err(SystemErrno::INTR) => {}
                Err(error) => return Err(self.failure(error.into())),
            }
        }
    }

    /// Receives bytes: polls for a while, then waits. 0 bytes mean that the server has left.
    ///
    /// # Errors
    /// See [`ChannelError`].
    pub(crate) fn receive(&mut self, room: &mut [u8]) -> Result<usize, ChannelError> {
        let begun = Instant::now();
        let mut looks = 0_u32;
        let may_yield = self.ring.is_none() || self.crowd.may_yield();
        let mut yielded = false;
        loop {
            if let Some(count) = self.receive_now(room)? {
                if yielded {
                    self.crowd.took(begun.elapsed());
                }
                return Ok(count);
            }
            looks = looks.saturating_add(1);
            if self.ring.is_some() && looks < LOOKS {
                std::hint::spin_loop();
                continue;
            }
            let time = begun.elapsed();
            if !may_yield || time >= LOOK {
                self.crowd.took(time);
                break;
            }
            // A server on the same processor gets its turn here.
            std::thread::yield_now();
            yielded = true;
        }
        let Some(ring) = &mut self.ring else {
            return loop {
                match self.stream.read(room) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    received => break received.map_err(|error| self.failure(error)),
                }
            };
        };
        let deadline = begun + self.patience;
        loop {
            let left = wait(&self.stream, ring, Wait::Bytes, deadline, self.patience)?;
            // The server may answer before it leaves.
            match ring.receive(room)? {
                Some(count) => return Ok(count),
                None if left => return Ok(0),
                None => {}
            }
        }
    }

    fn failure(&self, error: io::Error) -> ChannelError {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => ChannelError::Silent(self.patience),
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => ChannelError::Closed,
            _ => ChannelError::Socket(error),
        }
    }
}

/// Waits for a wake-up, unless there is no need to. Returns true if the server has left.
fn wait(
    stream: &UnixStream,
    ring: &mut Ring,
    wait: Wait,
    deadline: Instant,
    patience: Duration,
) -> Result<bool, ChannelError> {
    if !ring.end.may_wait(wait)? {
        return Ok(false);
    }
    let left = deadline.saturating_duration_since(Instant::now());
    // A wake-up alone is no answer, so the time keeps running.
    if left.is_zero() {
        return Err(ChannelError::Silent(patience));
    }
    let time = Timespec::try_from(left).map_err(|_| ChannelError::Silent(patience))?;
    let mut fds = [
        PollFd::new(&ring.woken, PollFlags::IN),
        PollFd::new(stream, PollFlags::IN),
    ];
    let ready = match poll(&mut fds, Some(&time)) {
        Err(SystemErrno::INTR) => Ok(1),
        ready => ready,
    };
    ring.end.waits_no_more();
    if ready.map_err(|error| ChannelError::Socket(error.into()))? == 0 {
        return Err(ChannelError::Silent(patience));
    }
    // The server may have turned the eventfd into one that blocks.
    let mut count = [0; 8];
    let mut parts = [IoSliceMut::new(&mut count)];
    let flags = ReadWriteFlags::NOWAIT;
    if let Err(SystemErrno::NOSYS | SystemErrno::OPNOTSUPP) =
        preadv2(&ring.woken, &mut parts, u64::MAX, flags)
    {
        // Old systems (before Linux 5.8) and emulators need this.
        let _ = rustix::io::read(&ring.woken, &mut count);
    }
    let mut byte = [0];
    match recv(stream, &mut byte, RecvFlags::DONTWAIT) {
        Ok((0, _)) | Err(SystemErrno::CONNRESET) => Ok(true),
        Ok(_) => Err(ChannelError::Nonsense(
            "bytes came by the socket, expected all of them through the ring".to_owned(),
        )),
        Err(SystemErrno::AGAIN | SystemErrno::INTR) => Ok(false),
        Err(error) => Err(ChannelError::Socket(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_others_want_the_processor_receives_do_not_let_them_for_a_while() {
        let mut crowd = Crowd::default();
        crowd.took(LOOK);
        assert!(crowd.may_yield());
        crowd.took(CROWDED);
        assert!((0..WOKEN).all(|_| !crowd.may_yield()));
        assert!(crowd.may_yield() && crowd.may_yield());
    }
}
