//! A connected client: bytes and descriptors in, whole messages out.

use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendFlags,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

use crate::limits::RECEIVED_FDS;

/// What one receive brought.
#[derive(Debug, Default)]
pub struct Received {
    /// Bytes appended to the buffer; 0 at the end of the stream.
    pub bytes: usize,
    /// Descriptors that came along, in order.
    pub fds: VecDeque<OwnedFd>,
    /// The kernel dropped some, because this process has no room for more.
    pub fds_lost: bool,
}

/// Receives what is there, waiting for something, into `buffer` (which must have room).
pub async fn receive(stream: &UnixStream, buffer: &mut [u8]) -> std::io::Result<Received> {
    stream
        .async_io(Interest::READABLE, || receive_now(stream, buffer))
        .await
}

fn receive_now(stream: &UnixStream, buffer: &mut [u8]) -> std::io::Result<Received> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(RECEIVED_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = loop {
        let mut vectors = [IoSliceMut::new(&mut *buffer)];
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        match rustix::net::recvmsg(stream, &mut vectors, &mut control, flags) {
            Err(Errno::INTR) => {}
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
    Ok(received)
}

/// Sends one message whole: one sendmsg, unless the client's socket is full.
pub async fn send(stream: &UnixStream, mut message: &[u8]) -> std::io::Result<()> {
    while !message.is_empty() {
        let sent = stream
            .async_io(Interest::WRITABLE, || {
                loop {
                    let mut control = SendAncillaryBuffer::default();
                    let vectors = [IoSlice::new(message)];
                    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
                    match rustix::net::sendmsg(stream, &vectors, &mut control, flags) {
                        Err(Errno::INTR) => {}
                        other => return Ok(other?),
                    }
                }
            })
            .await?;
        message = message.get(sent..).unwrap_or_default();
    }
    Ok(())
}

/// Whether the peer has closed its end, whatever it sent before.
pub fn is_hung_up(stream: &UnixStream) -> bool {
    let mut fds = [PollFd::new(stream, PollFlags::RDHUP)];
    let ready = rustix::event::poll(&mut fds, Some(&Timespec::default()));
    let closed = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    ready.is_ok() && fds[0].revents().intersects(closed)
}
