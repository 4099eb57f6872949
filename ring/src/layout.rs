//! The layout of a ring's memory. All numbers are doublewords in the byte order of the machine. Offsets and
//! lengths are in bytes unless they are called words.

/// Number of this layout in the capability `ring` of VERSION.
pub const LAYOUT: u64 = 1;
/// Bytes of a word. A record begins at a multiple of it.
pub const WORD: usize = 8;
/// Bytes of the whole memory.
pub const LEN: usize = REPLIES.data + REPLIES.capacity;

/// Offset of a word that is not 0 while the client waits to be woken; its value is a [`crate::Wait`].
pub const CLIENT_WAITS: usize = 0x200;
/// Offset of the server's word of the same meaning.
pub const SERVER_WAITS: usize = 0x280;

/// The stream from the client to the server.
pub const REQUESTS: Lane = Lane {
    name: "request",
    tail: 0x000,
    head: 0x080,
    data: 0x1000,
    capacity: 512 << 10,
};
/// The stream from the server to the client.
pub const REPLIES: Lane = Lane {
    name: "reply",
    tail: 0x100,
    head: 0x180,
    data: REQUESTS.data + REQUESTS.capacity,
    capacity: 64 << 10,
};

/// One of the two streams. Words that different sides write are 128 bytes apart, so that they share no cache
/// line.
#[derive(Debug)]
pub struct Lane {
    /// Name of the stream in messages.
    pub name: &'static str,
    /// Offset of the sender's position: the number of bytes written so far, padding included.
    pub tail: usize,
    /// Offset of the receiver's position: the number of bytes taken so far, padding included.
    pub head: usize,
    /// Offset of the records. A record is a word with the number of bytes, the bytes, and padding to a whole
    /// word. A record that reaches the end continues at the beginning.
    pub data: usize,
    /// Bytes for all records, a power of two.
    pub capacity: usize,
}

impl Lane {
    /// Returns the word at a position, and the number of words from there to the end.
    #[must_use]
    pub const fn word_at(&self, position: u64) -> (usize, usize) {
        let within = (position % self.capacity as u64) as usize;
        ((self.data + within) / WORD, (self.capacity - within) / WORD)
    }
}

const _: () = assert!(REQUESTS.capacity.is_power_of_two() && REPLIES.capacity.is_power_of_two());
const _: () = assert!(LEN.is_multiple_of(0x1000));
