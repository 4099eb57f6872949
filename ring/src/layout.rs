//! Where everything is in the memory of a ring. All numbers are doublewords in the byte order of the
//! machine; offsets and lengths are bytes unless they are called words.

/// The number of this layout in the capability `ring` of VERSION.
pub const LAYOUT: u64 = 1;
/// Bytes of a word. Records begin at a multiple of it.
pub const WORD: usize = 8;
/// Bytes of the whole memory.
pub const LEN: usize = REPLIES.data + REPLIES.capacity;

/// Nonzero: the client waits to be woken, for a reason of [`crate::Wait`].
pub const CLIENT_WAITS: usize = 0x200;
/// The same of the server.
pub const SERVER_WAITS: usize = 0x280;

/// From the client to the server.
pub const REQUESTS: Lane = Lane {
    name: "request",
    tail: 0x000,
    head: 0x080,
    data: 0x1000,
    capacity: 512 << 10,
};
/// From the server to the client.
pub const REPLIES: Lane = Lane {
    name: "reply",
    tail: 0x100,
    head: 0x180,
    data: REQUESTS.data + REQUESTS.capacity,
    capacity: 64 << 10,
};

/// One of the two streams. Words that different sides write are 128 bytes apart, so that they share no
/// cache line.
#[derive(Debug)]
pub struct Lane {
    /// Its name in messages.
    pub name: &'static str,
    /// Offset of the sender's position: bytes written since the beginning, padding included.
    pub tail: usize,
    /// Offset of the receiver's position: bytes taken since the beginning.
    pub head: usize,
    /// Offset of the records: a word with the length of the bytes, the bytes, and padding to a whole
    /// word. A record that reaches the end goes on at the beginning.
    pub data: usize,
    /// Bytes for records, a power of two.
    pub capacity: usize,
}

impl Lane {
    /// The word at a position, and how many words there are from it to the end.
    #[must_use]
    pub const fn word_at(&self, position: u64) -> (usize, usize) {
        let within = (position % self.capacity as u64) as usize;
        ((self.data + within) / WORD, (self.capacity - within) / WORD)
    }
}

const _: () = assert!(REQUESTS.capacity.is_power_of_two() && REPLIES.capacity.is_power_of_two());
const _: () = assert!(LEN.is_multiple_of(0x1000));
