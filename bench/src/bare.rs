//! The other side of a bare ping-pong: receives a number of bytes, sends a number of bytes, and repeats that.
//!
//! The client's first message gives the numbers: u32 number of steps, and for each step u32 bytes to receive
//! and u32 bytes to send. This is the cost of a server that does no work.

use std::io::{IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvFlags, SendFlags};

/// Bytes of the largest message.
const ROOM: usize = 64 << 10;

/// Serves clients, one after the other, until the process is killed.
pub(crate) fn serve(socket: &Path, poll_us: u64) {
    let listener = UnixListener::bind(socket).expect("the socket can be bound");
    for stream in listener.incoming() {
        let stream = stream.expect("a client");
        pong(stream, Duration::from_micros(poll_us));
    }
}

fn pong(mut stream: UnixStream, poll: Duration) {
    let mut word = || {
        let mut bytes = [0; 4];
        stream
            .read_exact(&mut bytes)
            .map(|()| u32::from_ne_bytes(bytes) as usize)
    };
    let Ok(count) = word() else { return };
    let steps: Vec<(usize, usize)> = (0..count)
        .map_while(|_| Some((word().ok()?, word().ok()?)))
        .collect();
    let mut room = vec![0; ROOM];
    for (take, give) in steps.iter().cycle() {
        let mut left = *take;
        while left > 0 {
            match receive(&stream, &mut room[..left.min(ROOM)], poll) {
                Some(got) if got > 0 => left -= got,
                _ => return,
            }
        }
        let mut reply = &room[..*give];
        while !reply.is_empty() {
            match rustix::net::send(&stream, reply, SendFlags::NOSIGNAL) {
                Ok(sent) => reply = &reply[sent..],
                Err(_) => return,
            }
        }
    }
}

/// Receives once. Closes descriptors that come along. Polls for `poll` before it waits.
pub(crate) fn receive(stream: &UnixStream, room: &mut [u8], poll: Duration) -> Option<usize> {
    let mut flags = RecvFlags::CMSG_CLOEXEC;
    let start = (!poll.is_zero()).then(Instant::now);
    if start.is_some() {
        flags |= RecvFlags::DONTWAIT;
    }
    loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut vectors = [IoSliceMut::new(&mut *room)];
        match rustix::net::recvmsg(stream, &mut vectors, &mut control, flags) {
            Ok(message) => return Some(message.bytes),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if flags.contains(RecvFlags::DONTWAIT) => {
                if start.is_none_or(|start| start.elapsed() > poll) {
                    flags -= RecvFlags::DONTWAIT;
                }
                std::hint::spin_loop();
            }
            // The error may also be a wait that was too long.
            Err(_) => return None,
        }
    }
}
