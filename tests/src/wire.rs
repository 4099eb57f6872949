//! Messages as bytes, over a socket.
//!
//! A header is u16 id, u16 command, u32 size (header included), u32 flags, u32 errno, all in host byte order.
//! Flags bit 0 means "reply", bit 4 "no reply wanted", bit 5 "error".

use std::io::{IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::cmsg_space;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::patience::{PATIENCE, wait};
use crate::ring::Ring;

/// Bytes of a header.
pub const HEADER: usize = 16;
/// Flag of a command that wants no reply.
pub const NO_REPLY: u32 = 0x10;

const REPLY: u32 = 1;
const ERROR: u32 = 0x20;

/// A growing byte buffer. Numbers are in host byte order unless a method says otherwise.
#[derive(Clone, Debug, Default)]
pub struct Bytes(pub Vec<u8>);

macro_rules! put {
    ($($name:ident $type:ty, $to:ident;)*) => {
        impl Bytes {
            $(
                #[doc = concat!("Appends a `", stringify!($type), "`, `", stringify!($to), "`.")]
                pub fn $name(mut self, value: $type) -> Self {
                    self.0.extend(value.$to());
                    self
                }
            )*
        }
    };
}

put! {
    u16 u16, to_ne_bytes;
    u32 u32, to_ne_bytes;
    u64 u64, to_ne_bytes;
    be16 u16, to_be_bytes;
    be32 u32, to_be_bytes;
    be64 u64, to_be_bytes;
}

impl Bytes {
    /// Creates an empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes unchanged.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Reads the host-order u32 at `at`.
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Reads the host-order u64 at `at`.
pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// Builds a whole message from header fields and body.
pub fn message(id: u16, command: u16, flags: u32, body: &[u8]) -> Vec<u8> {
    let size = (HEADER + body.len()) as u32;
    let header = Bytes::new().u16(id).u16(command).u32(size).u32(flags);
    header.u32(0).raw(body).0
}

/// A message from the peer.
#[derive(Debug)]
pub struct Message {
    /// Id of the message.
    pub id: u16,
    /// Command number of the message.
    pub command: u16,
    /// Flags of the header.
    pub flags: u32,
    /// Errno field of the header.
    pub error: u32,
    /// The body after the header.
    pub body: Vec<u8>,
    /// Descriptors that came along.
    pub fds: Vec<OwnedFd>,
}

impl Message {
    /// True if it is a reply, false if it is a command.
    pub fn is_reply(&self) -> bool {
        self.flags & 0xf == REPLY
    }

    /// Returns the errno of an error reply; `None` for success. An error reply must be a bare header.
    #[track_caller]
    pub fn errno(&self) -> Option<u32> {
        assert!(self.is_reply(), "{self:?} is no reply");
        let error = self.flags & ERROR != 0;
        if error {
            assert!(self.body.is_empty(), "an error reply with a body: {self:?}");
        } else {
            assert_eq!(self.error, 0, "an errno without the error flag");
        }
        error.then_some(self.error)
    }

    /// Returns the body of a reply that must be successful.
    #[track_caller]
    pub fn ok(self) -> Vec<u8> {
        assert_eq!(self.errno(), None, "command {} failed", self.command);
        self.body
    }

    /// Returns the data of a REGION_READ or DMA_READ reply that must be successful.
    #[track_caller]
    pub fn data(self) -> Vec<u8> {
        self.ok().split_off(16)
    }

    /// Checks that the reply is an error with this errno.
    #[track_caller]
    pub fn refused(self, errno: u32) {
        assert_eq!(self.errno(), Some(errno), "command {}", self.command);
    }
}

/// A connection. Calls block, but not for ever.
#[derive(Debug)]
pub struct Wire {
    stream: UnixStream,
    /// The ring that carries the messages instead of the socket.
    pub ring: Option<Ring>,
}

impl Wire {
    /// Connects to a socket.
    pub fn connect(path: &Path) -> Self {
        Self::new(UnixStream::connect(path).unwrap())
    }

    /// Uses a connected socket.
    pub fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, ring: None }
    }

    /// Sends bytes unchanged.
    pub fn send(&mut self, bytes: &[u8]) {
        match &mut self.ring {
            Some(ring) => ring.send(bytes, self.stream.as_fd()),
            None => self.stream.write_all(bytes).unwrap(),
        }
    }

    /// Sends bytes to a server that may close the connection meanwhile.
    pub fn send_to_the_deaf(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Sends bytes with descriptors, in one sendmsg.
    #[track_caller]
    pub fn send_with_fds(&mut self, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
        if fds.is_empty() && self.ring.is_some() {
            return self.send(bytes);
        }
        let sent = self.try_send_with_fds(bytes, fds).unwrap();
        assert_eq!(sent, bytes.len(), "a short sendmsg");
    }

    /// Sends bytes with descriptors to a server that may close the connection meanwhile, in one sendmsg. Returns
    /// the number of bytes that were sent.
    pub fn try_send_with_fds(
        &mut self,
        bytes: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> rustix::io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(64))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(fds)));
        }
        let iov = [IoSlice::new(bytes)];
        retry_on_intr(|| sendmsg(&self.stream, &iov, &mut control, SendFlags::NOSIGNAL))
    }

    /// Waits until bytes can be received (returns true), or until `other` is readable.
    #[track_caller]
    pub fn wait_for_bytes_or(&self, other: impl AsFd) -> bool {
        let mut fds = [
            PollFd::new(&self.stream, PollFlags::IN),
            PollFd::new(&other, PollFlags::IN),
        ];
        let ready = wait(&mut fds);
        assert_ne!(ready, 0, "nothing arrived within {PATIENCE:?}");
        !fds[0].revents().is_empty()
    }

    /// True if bytes can be received now.
    pub fn has_bytes(&self) -> bool {
        let mut fds = [PollFd::new(&self.stream, PollFlags::IN)];
        retry_on_intr(|| poll(&mut fds, Some(&Timespec::default()))).unwrap() == 1
    }

    /// Announces that nothing more will be sent.
    pub fn finish(&self) {
        self.stream.shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// Receives the next message; `None` at the end of the stream. The header must come in one piece, as QEMU
    /// demands.
    #[track_caller]
    pub fn receive(&mut self) -> Option<Message> {
        let mut head = [0; HEADER];
        let (got, mut fds) = self.receive_some(&mut head)?;
        assert_eq!(
            got, HEADER,
            "the header arrived in pieces, expected it whole"
        );
        let size = u32_at(&head, 4) as usize;
        assert!(
            (HEADER..=2 << 20).contains(&size),
            "a reply of {size} bytes"
        );
        let mut body = vec![0; size - HEADER];
        let mut at = 0;
        while at < body.len() {
            let (got, more) = self
                .receive_some(&mut body[at..])
                .expect("the stream ended inside a body");
            at += got;
            fds.extend(more);
        }
        let [id, command] = [0, 2].map(|at| u16::from_ne_bytes([head[at], head[at + 1]]));
        let (flags, error) = (u32_at(&head, 8), u32_at(&head, 12));
        Some(Message {
            id,
            command,
            flags,
            error,
            body,
            fds,
        })
    }

    /// Calls recvmsg once; `None` at the end of the stream, or if the peer reset the connection.
    #[track_caller]
    fn receive_some(&mut self, bytes: &mut [u8]) -> Option<(usize, Vec<OwnedFd>)> {
        if let Some(ring) = &mut self.ring {
            let got = ring.receive(bytes, self.stream.as_fd());
            return (got > 0).then(|| (got, Vec::new()));
        }
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(64))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut iov = [IoSliceMut::new(bytes)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        // A call with a timeout is not restarted after a signal, not even by SA_RESTART (source: signal(7)),
        // and a stop and continue is enough to interrupt it.
        let received = retry_on_intr(|| recvmsg(&self.stream, &mut iov, &mut control, flags));
        let got = match received {
            Ok(received) => received.bytes,
            Err(rustix::io::Errno::CONNRESET) => 0,
            Err(error) => panic!("no message within {PATIENCE:?}: {error}"),
        };
        let fds = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        });
        let fds = fds.flatten().collect();
        (got > 0).then_some((got, fds))
    }

    /// Returns everything that arrives until the server closes the connection.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut some = [0; 4096];
        while let Some((got, _)) = self.receive_some(&mut some) {
            all.extend(&some[..got]);
        }
        all
    }

    /// Checks that the server has closed the connection without another byte.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        let said = self.receive();
        assert!(
            said.is_none(),
            "expected the end of the stream, got {said:?}"
        );
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
