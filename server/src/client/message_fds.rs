//! Assigns received descriptors to the message that they came with.
//!
//! The kernel ends a receive after the piece of the stream that carries descriptors, and a receive reaches
//! few messages (see [`Ahead`](crate::client::receive_buffer::Ahead)). So descriptors belong to a message
//! that begins in that receive or before it. The server gives them to the last such message that can carry
//! descriptors.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use vfio_user_protocol::header::Command;
use vfio_user_protocol::limits::{Limits, MAX_MSG_FDS};
use vfio_user_protocol::{Errno, Frame, HEADER_LEN, Header, Malformed, Next, Refused, next_frame};

use crate::client::socket::Received;

/// Received descriptors of messages that are not answered yet.
#[derive(Debug, Default)]
pub struct MessageFds {
    batches: VecDeque<Batch>,
}

/// The descriptors of one receive.
#[derive(Debug)]
struct Batch {
    fds: VecDeque<OwnedFd>,
    /// True if sockets were among the descriptors. The server closes sockets at once: one of them could be,
    /// or hold, the other end of this very connection, which would then never end.
    sockets: bool,
    /// Position in the stream after the receive. The message begins before it.
    before: u64,
    /// True if the kernel dropped descriptors.
    lost: bool,
}

impl MessageFds {
    /// Keeps the descriptors of a receive that ended at position `end`. More descriptors than a message may
    /// carry are an error that ends the connection.
    pub fn arrived(&mut self, received: Received, end: u64) -> Result<(), Malformed> {
        let Received {
            mut fds,
            fds_lost: lost,
            ..
        } = received;
        let came = fds.len();
        fds.retain(|fd| !is_socket(fd));
        let sockets = fds.len() < came;
        let before = end;
        self.batches.push_back(Batch {
            fds,
            sockets,
            before,
            lost,
        });
        let limit = MAX_MSG_FDS as usize;
        // A receive that lost all its descriptors counts as one descriptor, because the server remembers it
        // too.
        let counts = self.batches.iter().map(|batch| batch.fds.len().max(1));
        match counts.sum() {
            got if got > limit => Err(Malformed::TooManyDescriptors { got, limit }),
            _ => Ok(()),
        }
    }

    /// Returns the descriptors of `frame`, which starts at position `start`. `more` are the bytes received
    /// after it. The error is EMFILE if some descriptors were lost, EINVAL if some were sockets.
    pub fn take(
        &mut self,
        frame: &Frame<'_>,
        more: &[u8],
        start: u64,
        limits: &Limits,
    ) -> Result<Vec<OwnedFd>, Refused> {
        if self.batches.is_empty() {
            return Ok(Vec::new());
        }
        let mut taken = Vec::new();
        let (mut any_lost, mut any_socket) = (false, false);
        let end = start + frame.total as u64;
        while let Some(batch) = self.batches.front() {
            let own = batch.before <= end
                || carries(frame.header.command)
                    && !another_carrier(more, batch.before - end, limits);
            if !own {
                break;
            }
            if let Some(batch) = self.batches.pop_front() {
                taken.extend(batch.fds);
                any_lost |= batch.lost;
                any_socket |= batch.sockets;
            }
        }
        if any_lost {
            return Err(Refused::new(
                Errno::EMFILE,
                format!(
                    "{}: the kernel dropped descriptors of this message, because this process has too many open",
                    frame.header.name()
                ),
            ));
        }
        // For DMA_UNMAP, the server closes all descriptors that come along.
        if any_socket && frame.header.command != Command::DmaUnmap as u16 {
            return Err(Refused::invalid(format!(
                "{}: a socket came along, expected memory or eventfds",
                frame.header.name()
            )));
        }
        Ok(taken)
    }
}

/// Checks the type by a call that only the kernel answers. A file system behind the descriptor cannot make
/// the server wait.
fn is_socket(fd: &OwnedFd) -> bool {
    rustix::net::sockopt::socket_type(fd).is_ok()
}

fn carries(command: u16) -> bool {
    command == Command::DmaMap as u16 || command == Command::DeviceSetIrqs as u16
}

/// True if a message that can carry descriptors begins in the next `within` bytes. An incomplete header
/// counts as one.
fn another_carrier(mut bytes: &[u8], within: u64, limits: &Limits) -> bool {
    let mut left = within;
    while left > 0 {
        let Some(head) = bytes.first_chunk::<HEADER_LEN>() else {
            return true;
        };
        if carries(Header::decode(head).command) {
            return true;
        }
        match next_frame(bytes, limits) {
            Ok(Next::Frame(frame)) => {
                left = left.saturating_sub(frame.total as u64);
                bytes = bytes.get(frame.total..).unwrap_or_default();
            }
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    fn received(fds: usize) -> (Received, Vec<i32>) {
        let fds: VecDeque<_> = (0..fds).map(|_| rustix::pipe::pipe().unwrap().0).collect();
        let numbers = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let received = Received {
            fds,
            ..Received::default()
        };
        (received, numbers)
    }

    fn message(command: Command) -> Vec<u8> {
        let mut bytes = Header::command(1, command, 20).encode().to_vec();
        bytes.extend([0; 4]);
        bytes
    }

    /// Returns the descriptors that each message gets, by number. The first message begins at `start`.
    fn attribute(fds: &mut MessageFds, mut start: u64, bytes: &[u8]) -> Vec<Vec<i32>> {
        let limits = Limits::default();
        let (mut rest, mut owned) = (bytes, Vec::new());
        while let Ok(Next::Frame(frame)) = next_frame(rest, &limits) {
            rest = &rest[frame.total..];
            let taken = fds.take(&frame, rest, start, &limits).unwrap();
            owned.push(taken.iter().map(AsRawFd::as_raw_fd).collect());
            start += frame.total as u64;
        }
        owned
    }

    #[test]
    fn the_last_message_that_can_carry_any_gets_them() {
        use Command::{DeviceReset, DeviceSetIrqs, DmaMap};
        for (commands, owner) in [
            (&[DmaMap][..], 0),
            (&[DmaMap, DeviceReset], 0),
            (&[DeviceReset, DmaMap, DeviceReset, DeviceReset], 1),
            (&[DmaMap, DeviceReset, DeviceSetIrqs], 2),
            (&[DmaMap, DmaMap], 1),
            // No message can carry them: the last one is refused with them.
            (&[DeviceReset, DeviceReset], 1),
        ] {
            let mut fds = MessageFds::default();
            let bytes: Vec<u8> = commands.iter().copied().flat_map(message).collect();
            let (received, numbers) = received(2);
            fds.arrived(received, bytes.len() as u64).unwrap();
            let owned = attribute(&mut fds, 0, &bytes);
            for (at, owned) in owned.iter().enumerate() {
                let expected = if at == owner { &numbers[..] } else { &[] };
                assert_eq!(owned, expected, "{commands:?} at {at}");
            }
        }
    }

    #[test]
    fn a_message_in_two_pieces_keeps_its_own_before_the_next_ones() {
        let mut fds = MessageFds::default();
        let bytes = [message(Command::DmaMap), message(Command::DmaMap)].concat();
        let ((first, first_numbers), (second, second_numbers)) = (received(1), received(1));
        fds.arrived(first, 16).unwrap();
        assert_eq!(attribute(&mut fds, 0, &bytes[..16]), [[0; 0]; 0]);
        fds.arrived(second, bytes.len() as u64).unwrap();
        let owned = attribute(&mut fds, 0, &bytes);
        assert_eq!(owned, [first_numbers, second_numbers]);
    }

    #[test]
    fn lost_ones_are_refused_and_too_many_end_the_connection() {
        let mut fds = MessageFds::default();
        let bytes = message(Command::DmaMap);
        let lost = Received {
            fds_lost: true,
            ..Received::default()
        };
        fds.arrived(lost, bytes.len() as u64).unwrap();
        let Ok(Next::Frame(frame)) = next_frame(&bytes, &Limits::default()) else {
            panic!()
        };
        let refused = fds.take(&frame, &[], 0, &Limits::default()).unwrap_err();
        assert_eq!(refused.errno, Errno::EMFILE);
        assert!(
            fds.take(&frame, &[], 0, &Limits::default())
                .unwrap()
                .is_empty()
        );
        fds.arrived(received(10).0, 0).unwrap();
        assert!(fds.arrived(received(7).0, 0).is_err());
    }
}
