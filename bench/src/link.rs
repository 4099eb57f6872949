//! The client: sends messages, and receives a known number of bytes.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use vfio_user_ism_tests::Eventfd;
use vfio_user_ism_tests::client::{QEMU, command, version};
use vfio_user_ism_tests::patience::{PATIENCE, eventually};
use vfio_user_ism_tests::ring::PROPOSAL;
use vfio_user_ism_tests::wire::{HEADER, message, u32_at};
use vfio_user_ring::{End, Mapping, Side, Wait};

use crate::bare;

/// Polls of the ring before a wait: several times the time of an answer whose server polls as well.
const LOOKS: u32 = 1000;

/// One connection of the client.
#[derive(Debug)]
pub(crate) struct Link {
    stream: UnixStream,
    /// True if the received bytes do not begin with a header.
    headless: bool,
    poll: Duration,
    room: Vec<u8>,
    /// The ring that carries the messages instead of the socket. Its eventfds wake the server and this side.
    ring: Option<(End<Mapping>, [Eventfd; 2])>,
}

impl Link {
    /// Connects without a message. The client polls for `poll` before it waits for a reply.
    pub(crate) fn connect(socket: &Path, poll: Duration) -> Self {
        let stream = eventually("the server listens", || UnixStream::connect(socket).ok());
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            headless: false,
            poll,
            room: vec![0; 64 << 10],
            ring: None,
        }
    }

    /// Connects and exchanges VERSION.
    pub(crate) fn open(socket: &Path, poll: Duration) -> Self {
        let mut link = Self::connect(socket, poll);
        link.ask(command::VERSION, &version(0, 0, QEMU), &[]);
        link
    }

    /// Connects to an instruction channel and agrees on a ring. This side polls for a reply shortly before it
    /// waits for it.
    pub(crate) fn open_ring(socket: &Path) -> Self {
        let mut link = Self::connect(socket, Duration::ZERO);
        let (mapping, memory) = Mapping::create().unwrap();
        let eventfds = [Eventfd::new(), Eventfd::new()];
        let fds = [memory.as_fd(), eventfds[0].as_fd(), eventfds[1].as_fd()];
        link.ask(command::VERSION, &version(0, 0, PROPOSAL), &fds);
        link.ring = Some((End::new(mapping, Side::Client), eventfds));
        link
    }

    /// Connects to a bare ping-pong with these steps: bytes that it receives, bytes that it sends.
    pub(crate) fn bare(socket: &Path, poll: Duration, steps: &[(usize, usize)]) -> Self {
        let mut link = Self::connect(socket, poll);
        let mut hello = (steps.len() as u32).to_ne_bytes().to_vec();
        for (take, give) in steps {
            hello.extend((*take as u32).to_ne_bytes());
            hello.extend((*give as u32).to_ne_bytes());
        }
        link.send(&hello, &[]);
        link.headless = true;
        link
    }

    /// Sends bytes with descriptors, in one call.
    pub(crate) fn send(&mut self, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
        if let Some((end, [wakes, _])) = &mut self.ring {
            assert_eq!(end.send(bytes), Ok(bytes.len()), "a full ring");
            if end.must_wake() {
                wakes.signal();
            }
            return;
        }
        let sent = if fds.is_empty() {
            rustix::net::send(&self.stream, bytes, SendFlags::NOSIGNAL)
        } else {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            assert!(control.push(SendAncillaryMessage::ScmRights(fds)));
            let vectors = [IoSlice::new(bytes)];
            rustix::net::sendmsg(&self.stream, &vectors, &mut control, SendFlags::NOSIGNAL)
        };
        assert_eq!(sent, Ok(bytes.len()), "a server that does not receive");
    }

    /// Receives `len` bytes: one reply, or several. The first reply must be no error, unless the server is
    /// the bare one.
    pub(crate) fn receive(&mut self, len: usize) -> &[u8] {
        let mut got = 0;
        while got < len {
            let room = &mut self.room[got..len];
            let received = match &mut self.ring {
                Some((end, [_, woken])) => Some(receive_by(end, woken, room)),
                None => bare::receive(&self.stream, room, self.poll),
            };
            match received {
                Some(more) if more > 0 => got += more,
                _ => panic!("of {len} bytes only these came: {:x?}", &self.room[..got]),
            }
            let head = &self.room[..got.min(HEADER)];
            let refused = !self.headless && got >= HEADER && u32_at(head, 8) != 1;
            assert!(!refused, "refused: {head:x?}");
        }
        &self.room[..len]
    }

    /// Sends a command whose reply may have any length. Returns the body of the reply.
    pub(crate) fn ask(&mut self, number: u16, body: &[u8], fds: &[BorrowedFd<'_>]) -> Vec<u8> {
        self.send(&message(1, number, 0, body), fds);
        let size = u32_at(self.receive(HEADER), 4) as usize;
        self.headless = true;
        let body = self.receive(size - HEADER).to_vec();
        self.headless = false;
        body
    }
}

/// Polls the ring for a moment, and then waits to be woken: others may want the processor.
fn receive_by(end: &mut End<Mapping>, woken: &Eventfd, room: &mut [u8]) -> usize {
    let mut looks = 0_u32;
    loop {
        let count = end.receive(room).unwrap();
        if count > 0 {
            return count;
        }
        if looks < LOOKS {
            std::hint::spin_loop();
        } else if end.may_wait(Wait::Bytes).unwrap() {
            woken.wait();
            end.waits_no_more();
        }
        looks = looks.saturating_add(1);
    }
}
