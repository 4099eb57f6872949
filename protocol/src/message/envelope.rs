//! Appends complete messages: the header, with its size, before a body.

use crate::header::Header;
use crate::wire::Put;

/// Appends a message: `header`, with its size filled in, and the body that `body` appends.
pub fn message(out: &mut Vec<u8>, header: Header, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&header.encode());
    body(out);
    let size = u32::try_from(out.len().saturating_sub(start)).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(start..).and_then(Header::size_mut) {
        *place = size.to_ne_bytes();
    }
}

/// Appends the reply to `request` with the body that `body` appends.
pub fn reply(out: &mut Vec<u8>, request: &Header, body: impl FnOnce(&mut Vec<u8>)) {
    message(out, request.reply(0), body);
}

/// Appends a 16-byte info answer: argsz, flags and two more u32 words.
pub(crate) fn put_words(out: &mut Vec<u8>, words: [u32; 4]) {
    words.into_iter().for_each(|word| out.put_u32(word));
}
