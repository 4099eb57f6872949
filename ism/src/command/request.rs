//! The bytes of a request, and their conversion into a command.

use std::ops::Range;

use super::call::Call;
use super::response::ResponseCode;
use super::table::Command;
use crate::layout::{Fields, HEADER_LEN};

/// Bytes of a request that the window keeps. Stores after them are dropped.
pub(crate) const REQUEST_LEN: usize = 256;

/// A complete request, ready to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    pub command: Command,
    pub call: Call,
    /// Bytes stored after the payload.
    pub extra: usize,
}

/// The reason why a request cannot run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The code is none of the fourteen.
    Unknown,
    /// The header has a length other than the command's.
    Length(Command),
    /// The end of the payload is missing; the number is how many bytes of it were stored.
    Short(Command, usize),
    /// The payload is missing from this offset on, but later bytes were stored.
    Gap(Command, usize),
}

impl Fault {
    pub(crate) fn code(self) -> ResponseCode {
        match self {
            Fault::Unknown => ResponseCode::UnknownCommand,
            Fault::Length(_) => ResponseCode::BadLength,
            Fault::Short(..) | Fault::Gap(..) => ResponseCode::MissingPayload,
        }
    }
}

/// Which bytes of a request were stored: a bit for each, so that a store and a load ask in a few
/// instructions.
#[derive(Clone, Debug, Default)]
struct Written([u64; REQUEST_LEN / 64]);

impl Written {
    /// The words, each with a mask of its bits inside `range`.
    fn masks(range: Range<usize>) -> impl Iterator<Item = u64> {
        (0..REQUEST_LEN).step_by(64).map(move |first| {
            let bits = |end: usize| match end.saturating_sub(first) {
                count @ 0..64 => (1 << count) - 1,
                _ => u64::MAX,
            };
            bits(range.end) & !bits(range.start)
        })
    }

    fn insert(&mut self, range: Range<usize>) {
        for (word, mask) in self.0.iter_mut().zip(Self::masks(range)) {
            *word |= mask;
        }
    }

    fn count(&self, range: Range<usize>) -> usize {
        let words = self.0.iter().zip(Self::masks(range));
        words
            .map(|(word, mask)| (word & mask).count_ones() as usize)
            .sum()
    }

    fn contains(&self, at: usize) -> bool {
        self.count(at..at + 1) == 1
    }
}

/// The bytes stored since the last command started.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    bytes: [u8; REQUEST_LEN],
    written: Written,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            bytes: [0; REQUEST_LEN],
            written: Written::default(),
        }
    }
}

impl Request {
    pub(crate) fn put(&mut self, offset: u64, data: &[u8]) {
        let Ok(start) = usize::try_from(offset) else {
            return;
        };
        let Some(room) = self.bytes.get_mut(start..) else {
            return;
        };
        let len = data.len().min(room.len());
        room[..len].copy_from_slice(&data[..len]);
        self.written.insert(start..start + len);
    }

    fn fields(&self) -> Fields<'_> {
        Fields(&self.bytes)
    }

    pub(crate) fn command(&self) -> u32 {
        self.fields().u32(0)
    }

    pub(crate) fn reserved(&self) -> u16 {
        self.fields().u16(4)
    }

    /// Number of bytes that the header announces, header included.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.fields().u16(6))
    }

    /// The first 8 bytes: command, reserved bytes and length, big-endian.
    pub(crate) fn header(&self) -> [u8; HEADER_LEN] {
        self.fields().u64(0).to_be_bytes()
    }

    /// The header and the announced payload, at most [`REQUEST_LEN`] bytes.
    pub(crate) fn announced(&self) -> &[u8] {
        let len = self.len().clamp(HEADER_LEN, REQUEST_LEN);
        self.bytes.get(..len).unwrap_or(&self.bytes)
    }

    /// Number of header bytes that were stored.
    pub(crate) fn header_written(&self) -> usize {
        self.written.count(0..HEADER_LEN)
    }

    /// Counts the stored payload bytes inside and outside of `start..end`.
    pub(crate) fn payload_covered(&self, start: u64, end: u64) -> (usize, usize) {
        let [start, end] = [start, end].map(|at| usize::try_from(at).unwrap_or(REQUEST_LEN));
        let inside = self.written.count(start.max(HEADER_LEN)..end);
        (inside, self.written.count(HEADER_LEN..REQUEST_LEN) - inside)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.written.0 == [0; REQUEST_LEN / 64]
    }

    /// True if all bytes of the header were stored, so that the request runs.
    pub(crate) fn is_complete(&self) -> bool {
        self.header_written() == HEADER_LEN
    }

    /// Parses a request whose header is complete.
    pub(crate) fn parse(&self) -> Result<Whole, Fault> {
        let command = Command::from_code(self.command()).ok_or(Fault::Unknown)?;
        if self.len() != command.request_len() {
            return Err(Fault::Length(command));
        }
        let end = self.len();
        let stored = self.written.count(HEADER_LEN..end);
        if stored < end - HEADER_LEN {
            let present = (HEADER_LEN..end).take_while(|at| self.written.contains(*at));
            let present = present.count();
            return Err(match stored > present {
                true => Fault::Gap(command, HEADER_LEN + present),
                false => Fault::Short(command, present),
            });
        }
        Ok(Whole {
            command,
            call: Call::parse(command, self.fields()),
            extra: self.written.count(end..REQUEST_LEN),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(stores: &[(u64, usize)]) -> Result<usize, Fault> {
        let mut request = Request::default();
        for (at, len) in stores {
            request.put(*at, &vec![1; *len]);
        }
        request.put(0, &[0, 0, 0, 2, 0, 0, 0, 24]);
        request.parse().map(|whole| whole.extra)
    }

    #[test]
    fn payload_is_compared_with_the_announced_length() {
        let command = Command::RegIeq;
        assert_eq!(stored(&[(8, 16)]), Ok(0));
        assert_eq!(stored(&[(8, 8)]), Err(Fault::Short(command, 8)));
        assert_eq!(stored(&[(16, 8)]), Err(Fault::Gap(command, 8)));
        assert_eq!(stored(&[(8, 4), (20, 4)]), Err(Fault::Gap(command, 12)));
        assert_eq!(stored(&[(8, 24)]), Ok(8));
        assert_eq!(stored(&[(8, 16), (4000, 8)]), Ok(0));
    }
}
