//! Splits the bytes of a stream into messages.

use crate::error::Malformed;
use crate::header::{HEADER_LEN, Header};
use crate::limits::Limits;

/// One complete message, borrowed from the receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The header of the message.
    pub header: Header,
    /// The body after the header.
    pub body: &'a [u8],
    /// Number of bytes of the message in the buffer.
    pub total: usize,
}

/// The result of a search for a message at the front of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// The message is incomplete.
    NeedMore {
        /// The least number of bytes that the message needs, from its start.
        at_least: usize,
    },
    /// A complete message.
    Frame(Frame<'a>),
}

/// Reads the front of `buffer`.
///
/// # Errors
/// [`Malformed`] if the header has an unknown type, or a size below its own or above `limits`. The connection
/// ends.
pub fn next_frame<'a>(buffer: &'a [u8], limits: &Limits) -> Result<Next<'a>, Malformed> {
    let Some(head) = buffer.first_chunk::<HEADER_LEN>() else {
        return Ok(Next::NeedMore {
            at_least: HEADER_LEN,
        });
    };
    let header = Header::decode(head);
    let (id, command, size) = (header.message_id, header.command, header.message_size);
    if header.kind().is_none() {
        return Err(Malformed::UnknownType {
            id,
            flags: header.flags,
        });
    }
    let total = size as usize;
    if total < HEADER_LEN {
        return Err(Malformed::TooShort { id, command, size });
    }
    let limit = limits.max_message();
    if total > limit {
        return Err(Malformed::TooLong {
            id,
            command,
            size,
            limit,
        });
    }
    Ok(match buffer.get(HEADER_LEN..total) {
        Some(body) => Next::Frame(Frame {
            header,
            body,
            total,
        }),
        None => Next::NeedMore { at_least: total },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Command;

    fn message(size: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = Header::command(1, Command::DeviceReset, size)
            .encode()
            .to_vec();
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn a_message_is_whole_or_not_yet() {
        let bytes = message(20, &[1, 2, 3, 4]);
        for len in 0..16 {
            let next = next_frame(&bytes[..len], &Limits::default()).unwrap();
            assert_eq!(next, Next::NeedMore { at_least: 16 });
        }
        for len in 16..20 {
            let next = next_frame(&bytes[..len], &Limits::default()).unwrap();
            assert_eq!(next, Next::NeedMore { at_least: 20 });
        }
        let Next::Frame(frame) = next_frame(&bytes, &Limits::default()).unwrap() else {
            panic!()
        };
        assert_eq!((frame.body, frame.total), (&[1u8, 2, 3, 4][..], 20));
    }

    #[test]
    fn sizes_outside_the_bounds_end_the_connection() {
        let limits = Limits::default();
        assert!(matches!(
            next_frame(&message(15, &[]), &limits),
            Err(Malformed::TooShort { size: 15, .. })
        ));
        assert!(matches!(
            next_frame(&message(0, &[]), &limits),
            Err(Malformed::TooShort { .. })
        ));
        assert!(matches!(
            next_frame(&message(u32::MAX, &[]), &limits),
            Err(Malformed::TooLong { .. })
        ));
        let largest = limits.max_message() as u32;
        assert!(next_frame(&message(largest, &[]), &limits).is_ok());
        assert!(next_frame(&message(largest + 1, &[]), &limits).is_err());
    }

    #[test]
    fn an_unknown_type_ends_the_connection() {
        let mut bytes = message(16, &[]);
        bytes[8..12].copy_from_slice(&3u32.to_ne_bytes());
        let next = next_frame(&bytes, &Limits::default());
        assert_eq!(next, Err(Malformed::UnknownType { id: 1, flags: 3 }));
    }
}
