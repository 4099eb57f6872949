//! The client: whole messages out, so many bytes back.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use vfio_user_ism_tests::client::{QEMU, command, version};
use vfio_user_ism_tests::wire::{HEADER, PATIENCE, eventually, message, u32_at};

use crate::bare;

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    stream: UnixStream,
    /// The received bytes do not begin with a header.
    headless: bool,
    poll: Duration,
    room: Vec<u8>,
}

impl Link {
    /// Connects, and says nothing; it spins for `poll` before it waits for a reply.
    pub(crate) fn connect(socket: &Path, poll: Duration) -> Self {
        let stream = eventually("the server listens", || UnixStream::connect(socket).ok());
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            headless: false,
            poll,
            room: vec![0; 64 << 10],
        }
    }

    /// Connects, and agrees on a version.
    pub(crate) fn open(socket: &Path, poll: Duration) -> Self {
        let mut link = Self::connect(socket, poll);
        link.ask(command::VERSION, &version(0, 0, QEMU), &[]);
        link
    }

    /// Connects to a bare ping-pong with these steps: bytes that it takes, bytes that it gives.
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

    /// Sends bytes with descriptors, in one go.
    pub(crate) fn send(&mut self, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
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

    /// Receives `len` bytes: a reply, or several in a row. The first must not refuse, unless the
    /// server is the bare one.
    pub(crate) fn receive(&mut self, len: usize) -> &[u8] {
        let mut got = 0;
        while got < len {
            match bare::receive(&self.stream, &mut self.room[got..len], self.poll) {
                Some(more) if more > 0 => got += more,
                _ => panic!("of {len} bytes only these came: {:x?}", &self.room[..got]),
            }
            let head = &self.room[..got.min(HEADER)];
            let refused = !self.headless && got >= HEADER && u32_at(head, 8) != 1;
            assert!(!refused, "refused: {head:x?}");
        }
        &self.room[..len]
    }

    /// A command whose reply may have any length; its body.
    pub(crate) fn ask(&mut self, number: u16, body: &[u8], fds: &[BorrowedFd<'_>]) -> Vec<u8> {
        self.send(&message(1, number, 0, body), fds);
        let size = u32_at(self.receive(HEADER), 4) as usize;
        self.headless = true;
        let body = self.receive(size - HEADER).to_vec();
        self.headless = false;
        body
    }
}
