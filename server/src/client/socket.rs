//! A connected client's socket: receives bytes and descriptors, sends complete messages.
//!
//! A receive that leaves room in the buffer has emptied the socket. So the server asks for more only when the
//! system reports more: it needs one receive and one send for each message that gets a reply. If nothing else
//! needs the thread, the receive call itself waits, and the server need not ask the system first.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown,
};
use tokio::io::unix::AsyncFd;

use crate::client::spin::{self, Spin};
use crate::limits::RECEIVED_FDS;

/// Longest time that a waiting receive takes. No other task of the thread runs meanwhile.
const PATIENCE: Duration = Duration::from_millis(2);

/// The result of one receive.
#[derive(Debug, Default)]
pub struct Received {
    /// Number of bytes written to the buffer; 0 at the end of the stream.
    pub bytes: usize,
    /// Descriptors that came along, in order.
    pub fds: VecDeque<OwnedFd>,
    /// True if the kernel dropped descriptors because this process has too many open.
    pub fds_lost: bool,
}

/// A connected UNIX stream socket.
#[derive(Debug)]
pub struct Socket {
    stream: AsyncFd<UnixStream>,
    is_shut: AtomicBool,
}

impl TryFrom<UnixStream> for Socket {
    type Error = std::io::Error;

    fn try_from(stream: UnixStream) -> std::io::Result<Self> {
        Self::registered(stream)
    }
}

impl TryFrom<tokio::net::UnixStream> for Socket {
    type Error = std::io::Error;

    fn try_from(stream: tokio::net::UnixStream) -> std::io::Result<Self> {
        Self::registered(stream.into_std()?)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Socket {
    #[allow(
        deprecated,
        reason = "its successor is unsafe for descriptors that change; a UnixStream's does not"
    )]
    fn registered(stream: UnixStream) -> std::io::Result<Self> {
        // Each call says for itself whether it waits.
        stream.set_nonblocking(false)?;
        Ok(Self {
            stream: AsyncFd::new(stream)?,
            is_shut: AtomicBool::new(false),
        })
    }

    /// Ends the connection in both directions.
    pub fn shut(&self) {
        self.is_shut.store(true, Ordering::Release);
        // A connection that is already closed needs nothing.
        let _ = rustix::net::shutdown(self, Shutdown::Both);
    }

    /// True if this side has ended the connection. A ring needs no call of the socket that would tell.
    pub fn is_shut(&self) -> bool {
        self.is_shut.load(Ordering::Acquire)
    }

    /// Limits how long [`Socket::receive_waiting`] waits. Returns false if the system does not allow it.
    pub fn bound_waiting(&self) -> bool {
        set_socket_timeout(&self.stream, Timeout::Recv, Some(PATIENCE)).is_ok()
    }

    /// Receives bytes that come within a moment; `None` if none do. The whole thread waits. Call
    /// [`Socket::bound_waiting`] first.
    pub fn receive_waiting(&self, buffer: &mut [u8]) -> std::io::Result<Option<Received>> {
        self.receive_by(buffer, RecvFlags::CMSG_CLOEXEC)
    }

    /// Waits for bytes and receives them into `buffer`, which must have room.
    ///
    /// One task at a time may wait.
    pub async fn receive(&self, buffer: &mut [u8]) -> std::io::Result<Received> {
        loop {
            let mut ready = poll_fn(|cx| self.stream.poll_read_ready(cx)).await?;
            match self.receive_now(buffer)? {
                None => ready.clear_ready(),
                Some(received) => {
                    // The kernel also ends a receive after bytes that brought descriptors.
                    let ended = received.fds.is_empty() && !received.fds_lost;
                    if ended && (1..buffer.len()).contains(&received.bytes) {
                        ready.clear_ready();
                    }
                    return Ok(received);
                }
            }
        }
    }

    /// Like [`Socket::receive`], but polls for a while before it waits.
    pub async fn receive_spinning(
        &self,
        buffer: &mut [u8],
        spin: &mut Spin,
    ) -> std::io::Result<Received> {
        let mut begun = spin.begin();
        if let Some(begun) = begun.as_mut().filter(|begun| begun.is_worth_it()) {
            loop {
                if let Some(received) = self.receive_now(buffer)? {
                    spin.hit();
                    return Ok(received);
                }
                if !begun.goes_on().await {
                    break;
                }
            }
        }
        let received = self.receive(buffer).await;
        spin.came(begun.as_ref());
        received
    }

    /// Polls a few times. Returns what was there, if anything was.
    pub fn look(&self, buffer: &mut [u8]) -> std::io::Result<Option<Received>> {
        for _ in 0..spin::LOOKS {
            if let Some(received) = self.receive_now(buffer)? {
                return Ok(Some(received));
            }
        }
        Ok(None)
    }

    /// Receives the bytes that have arrived, if any.
    fn receive_now(&self, buffer: &mut [u8]) -> std::io::Result<Option<Received>> {
        self.receive_by(buffer, RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT)
    }

    fn receive_by(&self, buffer: &mut [u8], flags: RecvFlags) -> std::io::Result<Option<Received>> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(RECEIVED_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let message = loop {
            let mut vectors = [IoSliceMut::new(&mut *buffer)];
            match rustix::net::recvmsg(&self.stream, &mut vectors, &mut control, flags) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                other => break other?,
            }
        };
        let mut received = Received {
            bytes: message.bytes,
            fds: VecDeque::new(),
            fds_lost: message.flags.contains(ReturnFlags::CTRUNC),
        };
        for part in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = part {
                received.fds.extend(fds);
            }
        }
        Ok(Some(received))
    }

    /// Sends all bytes, with one send unless the client's socket is full.
    pub async fn send(&self, bytes: &[u8]) -> std::io::Result<()> {
        self.send_with(bytes, None).await
    }

    /// Like [`Socket::send`], with a descriptor that goes with the first byte.
    pub async fn send_with(
        &self,
        mut bytes: &[u8],
        mut fd: Option<BorrowedFd<'_>>,
    ) -> std::io::Result<()> {
        while !bytes.is_empty() {
            let sent = match self.send_now(bytes, fd)? {
                Some(sent) => sent,
                None => {
                    let mut ready = poll_fn(|cx| self.stream.poll_write_ready(cx)).await?;
                    match self.send_now(bytes, fd)? {
                        Some(sent) => sent,
                        None => {
                            ready.clear_ready();
                            continue;
                        }
                    }
                }
            };
            fd = None;
            bytes = bytes.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    /// Sends as many bytes as the socket takes now; `None` if it takes none.
    fn send_now(&self, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> std::io::Result<Option<usize>> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        loop {
            let sent = match fd {
                None => rustix::net::send(&self.stream, bytes, flags),
                Some(fd) => {
                    let fds = [fd];
                    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
                    let mut control = SendAncillaryBuffer::new(&mut space);
                    control.push(SendAncillaryMessage::ScmRights(&fds));
                    let vectors = [IoSlice::new(bytes)];
                    rustix::net::sendmsg(&self.stream, &vectors, &mut control, flags)
                }
            };
            match sent {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                other => return Ok(Some(other?)),
            }
        }
    }

    /// True if the peer sends nothing more, even if bytes that it sent before are still to be read.
    pub fn is_hung_up(&self) -> bool {
        self.has_ended(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR)
    }

    /// True if the peer neither sends nor receives any more.
    pub fn is_gone(&self) -> bool {
        self.has_ended(PollFlags::HUP | PollFlags::ERR)
    }

    fn has_ended(&self, signs: PollFlags) -> bool {
        let mut fds = [PollFd::new(&self.stream, PollFlags::RDHUP)];
        let ready = rustix::event::poll(&mut fds, Some(&Timespec::default()));
        ready.is_ok() && fds[0].revents().intersects(signs)
    }
}
