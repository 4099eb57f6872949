//! A connected client: bytes and descriptors in, whole messages out.
//!
//! A receive that leaves room in the buffer has emptied the socket, so nothing is asked for again
//! until the system says that more has come: one receive and one send for each message that is
//! replied to. Where nothing else needs the thread, the receive itself waits, and the system need not
//! be asked whether more has come.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use tokio::io::unix::AsyncFd;

use crate::client::spin::Spin;
use crate::limits::RECEIVED_FDS;

/// How long a receive that waits takes at most. Nothing else on the thread has its turn meanwhile.
const PATIENCE: Duration = Duration::from_millis(2);

/// The result of one receive.
#[derive(Debug, Default)]
pub struct Received {
    /// Bytes appended to the buffer; 0 at the end of the stream.
    pub bytes: usize,
    /// Descriptors that came along, in order.
    pub fds: VecDeque<OwnedFd>,
    /// The kernel dropped some, because this process has no room for more.
    pub fds_lost: bool,
}

/// A connected UNIX stream socket.
#[derive(Debug)]
pub struct Socket(AsyncFd<UnixStream>);

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
        self.0.as_fd()
    }
}

impl Socket {
    #[allow(
        deprecated,
        reason = "its successor is unsafe for descriptors that change; a UnixStream's does not"
    )]
    fn registered(stream: UnixStream) -> std::io::Result<Self> {
        // Each call says whether it waits.
        stream.set_nonblocking(false)?;
        AsyncFd::new(stream).map(Self)
    }

    /// Bounds how long [`Socket::receive_waiting`] waits. `false` if the system does not let it.
    pub fn bound_waiting(&self) -> bool {
        set_socket_timeout(&self.0, Timeout::Recv, Some(PATIENCE)).is_ok()
    }

    /// Receives what comes within a moment; `None` if nothing does. The thread waits, and with it
    /// everything else that it does. [`Socket::bound_waiting`] comes first.
    pub fn receive_waiting(&self, buffer: &mut [u8]) -> std::io::Result<Option<Received>> {
        self.receive_by(buffer, RecvFlags::CMSG_CLOEXEC)
    }

    /// Receives what is there, waiting for something, into `buffer` (which must have room).
    ///
    /// One task at a time may wait.
    pub async fn receive(&self, buffer: &mut [u8]) -> std::io::Result<Received> {
        loop {
            let mut ready = poll_fn(|cx| self.0.poll_read_ready(cx)).await?;
            match self.receive_now(buffer)? {
                None => ready.clear_ready(),
                Some(received) => {
                    // The kernel also ends a receive behind bytes that brought descriptors.
                    let ended = received.fds.is_empty() && !received.fds_lost;
                    if ended && (1..buffer.len()).contains(&received.bytes) {
                        ready.clear_ready();
                    }
                    return Ok(received);
                }
            }
        }
    }

    /// As [`Socket::receive`], looking for a while before it waits.
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

    /// Receives what is there, if anything is.
    fn receive_now(&self, buffer: &mut [u8]) -> std::io::Result<Option<Received>> {
        self.receive_by(buffer, RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT)
    }

    fn receive_by(&self, buffer: &mut [u8], flags: RecvFlags) -> std::io::Result<Option<Received>> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(RECEIVED_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let message = loop {
            let mut vectors = [IoSliceMut::new(&mut *buffer)];
            match rustix::net::recvmsg(&self.0, &mut vectors, &mut control, flags) {
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

    /// Sends bytes, all of them: one sendmsg, unless the client's socket is full.
    pub async fn send(&self, bytes: &[u8]) -> std::io::Result<()> {
        self.send_with(bytes, None).await
    }

    /// As [`Socket::send`], with a descriptor that goes with the first byte.
    pub async fn send_with(
        &self,
        mut bytes: &[u8],
        mut fd: Option<BorrowedFd<'_>>,
    ) -> std::io::Result<()> {
        while !bytes.is_empty() {
            let sent = match self.send_now(bytes, fd)? {
                Some(sent) => sent,
                None => {
                    let mut ready = poll_fn(|cx| self.0.poll_write_ready(cx)).await?;
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

    /// Sends what the socket takes, if it takes anything.
    fn send_now(&self, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> std::io::Result<Option<usize>> {
        let fds = fd.as_slice();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        loop {
            let mut control = match fds {
                [] => SendAncillaryBuffer::default(),
                _ => SendAncillaryBuffer::new(&mut space),
            };
            if !fds.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(fds));
            }
            let vectors = [IoSlice::new(bytes)];
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match rustix::net::sendmsg(&self.0, &vectors, &mut control, flags) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                other => return Ok(Some(other?)),
            }
        }
    }

    /// Whether the peer has closed its end, whatever it sent before.
    pub fn is_hung_up(&self) -> bool {
        let mut fds = [PollFd::new(&self.0, PollFlags::RDHUP)];
        let ready = rustix::event::poll(&mut fds, Some(&Timespec::default()));
        let closed = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        ready.is_ok() && fds[0].revents().intersects(closed)
    }
}
