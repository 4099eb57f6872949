//! Received bytes that the server has not consumed yet.

use vfio_user_protocol::header::Command;
use vfio_user_protocol::{HEADER_LEN, Header};

use crate::limits::{KEEP_LEN, RECEIVE_LEN};

/// A buffer that grows to the largest message in progress. Positions count from the start of the connection.
#[derive(Debug, Default)]
pub struct ReceiveBuffer {
    bytes: Vec<u8>,
    from: usize,
    to: usize,
    consumed: u64,
}

impl ReceiveBuffer {
    /// The bytes that were received and not yet consumed.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.from..self.to]
    }

    /// Position of the first byte that was not consumed.
    pub fn start(&self) -> u64 {
        self.consumed
    }

    /// Position after the last received byte.
    pub fn end(&self) -> u64 {
        self.consumed + self.bytes().len() as u64
    }

    /// Returns the free room after the received bytes, at least `least` bytes.
    pub fn room(&mut self, least: usize) -> &mut [u8] {
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
            if self.bytes.len() > KEEP_LEN {
                self.bytes = Vec::new();
            }
        }
        if self.bytes.len() - self.to < least {
            self.bytes.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
            if self.bytes.len() - self.to < least {
                self.bytes.resize((self.to + least).max(RECEIVE_LEN), 0);
            }
        }
        &mut self.bytes[self.to..]
    }

    /// Makes the next receive large enough for a message of `total` bytes, received bytes included.
    pub fn need(&mut self, total: usize) {
        let missing = total.saturating_sub(self.bytes().len());
        if missing > RECEIVE_LEN {
            self.room(missing);
        }
    }

    /// Records that `len` bytes of the room were filled, at most all of it.
    pub fn filled(&mut self, len: usize) {
        self.to = self.bytes.len().min(self.to + len);
    }

    /// Drops the first `len` bytes, at most all of them.
    pub fn consume(&mut self, len: usize) {
        let len = len.min(self.to - self.from);
        self.from += len;
        self.consumed += len as u64;
    }
}

/// Limits the number of bytes that the next receive takes.
///
/// Descriptors belong to the message whose first byte they came with. The kernel joins pieces of the stream
/// and ends a receive after the piece that has descriptors, but does not say where that piece began. So a
/// receive reaches the first byte of at most one further message, which leaves no doubt. After an access to a
/// region, which a similar access is likely to follow, a receive takes as many bytes as that access had:
/// descriptors that come along belong to the last message that begins in them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ahead {
    /// Length of the last message in bytes, if it was an access to a region.
    access: Option<usize>,
}

/// Bytes of a message that writes 8 bytes to a region. A read has fewer.
const ACCESS_LEN: usize = 40;

impl Ahead {
    /// Number of bytes that the next receive may take after `received`, which is an incomplete message.
    pub fn window(self, received: &[u8]) -> usize {
        let head = received.first_chunk::<HEADER_LEN>();
        let end = match head.map(Header::decode) {
            Some(header) => (header.message_size as usize).saturating_add(HEADER_LEN),
            None => self.access.unwrap_or(HEADER_LEN),
        };
        end.saturating_sub(received.len()).max(1)
    }

    /// Records a message that was handled.
    pub fn handled(&mut self, header: &Header) {
        let command = Command::from_number(header.command);
        let access = matches!(
            command,
            Some(Command::RegionRead | Command::RegionWrite | Command::RegionWriteMulti)
        );
        let len = (header.message_size as usize).clamp(ACCESS_LEN, RECEIVE_LEN);
        self.access = access.then_some(len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in() {
        let mut buffer = ReceiveBuffer::default();
        let (mut next_in, mut next_out) = (0u8, 0u8);
        for round in 0..500usize {
            let len = (round * 977) % RECEIVE_LEN;
            for byte in &mut buffer.room(RECEIVE_LEN)[..len] {
                *byte = next_in;
                next_in = next_in.wrapping_add(1);
            }
            buffer.filled(len);
            let take = buffer.bytes().len() * 2 / 3;
            for byte in &buffer.bytes()[..take] {
                assert_eq!(*byte, next_out);
                next_out = next_out.wrapping_add(1);
            }
            buffer.consume(take);
        }
        assert_eq!(buffer.end() - buffer.start(), buffer.bytes().len() as u64);
        assert!(buffer.bytes.len() <= KEEP_LEN, "{}", buffer.bytes.len());
    }

    #[test]
    fn an_access_like_the_last_one_comes_at_once() {
        let mut ahead = Ahead::default();
        assert_eq!(ahead.window(&[]), HEADER_LEN);
        let header = |command, size| Header::command(1, command, size);
        for (size, window) in [
            (32, ACCESS_LEN),
            (72, 72),
            (4160, 4160),
            (1 << 20, RECEIVE_LEN),
        ] {
            ahead.handled(&header(Command::RegionWrite, size));
            assert_eq!(ahead.window(&[]), window);
            assert_eq!(ahead.window(&[0; 10]), window - 10);
        }
        let begun = header(Command::RegionWrite, 100).encode();
        assert_eq!(ahead.window(&begun), 100);
        ahead.handled(&header(Command::DmaMap, 56));
        assert_eq!(ahead.window(&[]), HEADER_LEN);
    }

    #[test]
    fn what_a_large_message_took_is_given_back() {
        let mut buffer = ReceiveBuffer::default();
        buffer.room(RECEIVE_LEN);
        buffer.filled(16);
        buffer.need(1 << 20);
        assert!(buffer.room(1).len() >= (1 << 20) - 16);
        buffer.filled((1 << 20) - 16);
        buffer.consume(1 << 20);
        assert_eq!(buffer.room(RECEIVE_LEN).len(), RECEIVE_LEN);
        assert_eq!((buffer.start(), buffer.end()), (1 << 20, 1 << 20));
    }
}
