//! One side's end of a ring: sends and receives bytes, and says when to wake the other side.

use std::sync::atomic::Ordering::{self, Acquire, Relaxed, Release};

use thiserror::Error;

use crate::layout::{CLIENT_WAITS, Lane, REPLIES, REQUESTS, SERVER_WAITS, WORD};

/// Doublewords that two sides share, by number. Every word may change between two calls.
pub trait Memory {
    /// Reads a word.
    fn load(&self, word: usize, order: Ordering) -> u64;
    /// Writes a word.
    fn store(&self, word: usize, value: u64, order: Ordering);
    /// Orders all earlier accesses of this side before all later ones, as both sides see them (sequentially
    /// consistent).
    fn fence(&self);

    /// Copies bytes out of the words from `word` on, reading each word once, in no particular order.
    fn copy_out(&self, word: usize, out: &mut [u8]) {
        for (at, bytes) in out.chunks_mut(WORD).enumerate() {
            let image = self.load(word + at, Relaxed).to_ne_bytes();
            bytes.copy_from_slice(&image[..bytes.len()]);
        }
    }

    /// Copies bytes into the words from `word` on, in no particular order. The last word is filled with
    /// zeros.
    fn copy_in(&self, word: usize, bytes: &[u8]) {
        for (at, bytes) in bytes.chunks(WORD).enumerate() {
            let mut image = [0; WORD];
            image[..bytes.len()].copy_from_slice(bytes);
            self.store(word + at, u64::from_ne_bytes(image), Relaxed);
        }
    }
}

/// The side at this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client, which sends requests.
    Client,
    /// The server, which sends replies.
    Server,
}

/// The reason why a side waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It waits for bytes.
    Bytes = 1,
    /// It waits for room to send.
    Room = 2,
}

/// An error in the values that the other side wrote into the memory.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// The positions are not 0 to the capacity apart.
    #[error(
        "the ring's {lane} lane: tail {tail:#x} and head {head:#x} are not 0 to {capacity:#x} bytes apart"
    )]
    Positions {
        /// Name of the stream.
        lane: &'static str,
        /// Position of the sender.
        tail: u64,
        /// Position of the receiver.
        head: u64,
        /// Length of the stream in bytes.
        capacity: usize,
    },
    /// A position is not a multiple of a word.
    #[error("the ring's {lane} lane: position {position:#x} is no multiple of 8")]
    Unaligned {
        /// Name of the stream.
        lane: &'static str,
        /// Position of the other side.
        position: u64,
    },
    /// A record is empty, or ends after the tail.
    #[error(
        "the ring's {lane} lane: the record at {at:#x} has {length:#x} bytes, expected 1 to {most:#x}"
    )]
    Length {
        /// Name of the stream.
        lane: &'static str,
        /// Position of the record.
        at: u64,
        /// Length in the record's first word.
        length: u64,
        /// Largest possible length: the bytes up to the tail.
        most: u64,
    },
}

/// One side's end of both streams.
#[derive(Debug)]
pub struct End<M> {
    memory: M,
    side: Side,
    /// Number of bytes written into the stream that this side sends.
    tail: u64,
    /// The other side's head in that stream, when this side last read it.
    free_from: u64,
    /// Number of bytes taken from the stream that this side receives.
    head: u64,
    /// The other side's tail in that stream, when this side last read it.
    seen: u64,
    /// Number of bytes of the record at `head` that were not taken yet, without padding.
    left: u64,
}

impl<M: Memory> End<M> {
    /// Creates an end of an unused ring, whose memory is all zeros.
    pub fn new(memory: M, side: Side) -> Self {
        Self {
            memory,
            side,
            tail: 0,
            free_from: 0,
            head: 0,
            seen: 0,
            left: 0,
        }
    }

    fn sends(&self) -> &'static Lane {
        match self.side {
            Side::Client => &REQUESTS,
            Side::Server => &REPLIES,
        }
    }

    fn receives(&self) -> &'static Lane {
        match self.side {
            Side::Client => &REPLIES,
            Side::Server => &REQUESTS,
        }
    }

    /// Sends as many bytes as there is room for. Returns that number. Call [`End::must_wake`] next.
    ///
    /// # Errors
    /// The other side's position is invalid.
    pub fn send(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let lane = self.sends();
        let needed = (WORD + bytes.len().next_multiple_of(WORD)) as u64;
        let mut room = lane.capacity as u64 - (self.tail - self.free_from);
        if room < needed {
            room = self.look_for_room()?;
        }
        let most = usize::try_from(room).unwrap_or(usize::MAX);
        let length = bytes.len().min(most.saturating_sub(WORD));
        let Some(bytes) = bytes.get(..length).filter(|bytes| !bytes.is_empty()) else {
            return Ok(0);
        };
        let (word, _) = lane.word_at(self.tail);
        self.memory.store(word, length as u64, Relaxed);
        let (word, to_the_end) = lane.word_at(self.tail + WORD as u64);
        let (first, rest) = bytes.split_at(length.min(to_the_end * WORD));
        self.memory.copy_in(word, first);
        self.memory.copy_in(lane.data / WORD, rest);
        self.tail += (WORD + length.next_multiple_of(WORD)) as u64;
        // Release: whoever sees the tail also sees the record.
        self.memory.store(lane.tail / WORD, self.tail, Release);
        Ok(length)
    }

    /// Receives bytes, as far as `out` has room. Returns their number. A room of at least 8 bytes takes
    /// something if there is anything. Call [`End::must_wake_for_room`] next.
    ///
    /// # Errors
    /// The other side wrote an invalid position or record.
    pub fn receive(&mut self, out: &mut [u8]) -> Result<usize, Fault> {
        let lane = self.receives();
        let (begun_at, mut filled) = (self.head, 0);
        loop {
            if self.left == 0 && !self.begin_record()? {
                break;
            }
            let room = out.get_mut(filled..).unwrap_or_default();
            let left = usize::try_from(self.left).unwrap_or(usize::MAX);
            // Only the last word of a record may be taken in part.
            let count = if room.len() >= left {
                left
            } else {
                room.len() / WORD * WORD
            };
            let Some(room) = room.get_mut(..count).filter(|room| !room.is_empty()) else {
                break;
            };
            let (word, to_the_end) = lane.word_at(self.head);
            let (first, rest) = room.split_at_mut(count.min(to_the_end * WORD));
            self.memory.copy_out(word, first);
            self.memory.copy_out(lane.data / WORD, rest);
            self.head += count.next_multiple_of(WORD) as u64;
            self.left -= count as u64;
            filled += count;
        }
        if self.head != begun_at {
            // Release: the bytes are copied before the other side finds their place free.
            self.memory.store(lane.head / WORD, self.head, Release);
        }
        Ok(filled)
    }

    /// Reads the length of the next record, if there is one.
    fn begin_record(&mut self) -> Result<bool, Fault> {
        let lane = self.receives();
        if self.head == self.seen && !self.has_bytes()? {
            return Ok(false);
        }
        let most = self.seen - self.head - WORD as u64;
        // The tail was read with Acquire, so this length came with it, or the other side changed it since.
        let length = self.memory.load(lane.word_at(self.head).0, Relaxed);
        if length == 0 || length > most {
            return Err(Fault::Length {
                lane: lane.name,
                at: self.head,
                length,
                most,
            });
        }
        self.head += WORD as u64;
        self.left = length;
        Ok(true)
    }

    /// True if there is something to receive.
    ///
    /// # Errors
    /// The other side's position is invalid.
    pub fn has_bytes(&mut self) -> Result<bool, Fault> {
        let lane = self.receives();
        if self.left > 0 {
            return Ok(true);
        }
        // Acquire: the records up to this tail are read after it.
        let tail = self.memory.load(lane.tail / WORD, Acquire);
        check(lane, tail, self.head, tail)?;
        self.seen = tail;
        Ok(tail != self.head)
    }

    /// Returns the number of bytes that are free for records, by the other side's present position.
    fn look_for_room(&mut self) -> Result<u64, Fault> {
        let lane = self.sends();
        // Acquire: a place is written again only after it was found free.
        let head = self.memory.load(lane.head / WORD, Acquire);
        check(lane, self.tail, head, head)?;
        self.free_from = head;
        Ok(lane.capacity as u64 - (self.tail - head))
    }

    fn waits(&self) -> [usize; 2] {
        let own_and_other = match self.side {
            Side::Client => [CLIENT_WAITS, SERVER_WAITS],
            Side::Server => [SERVER_WAITS, CLIENT_WAITS],
        };
        own_and_other.map(|offset| offset / WORD)
    }

    /// True if the other side must be woken after a send.
    #[must_use]
    pub fn must_wake(&self) -> bool {
        self.takes_a_wait(Wait::Bytes)
    }

    /// True if the other side must be woken after a receive.
    #[must_use]
    pub fn must_wake_for_room(&self) -> bool {
        self.takes_a_wait(Wait::Room)
    }

    fn takes_a_wait(&self, wait: Wait) -> bool {
        let [_, other] = self.waits();
        // The fence stands between this side's position and the other's wait, and in `may_wait` between that
        // wait and the position: so at least one of the two sides sees the other's write.
        self.memory.fence();
        // Relaxed, here and below: only the fences order these words.
        let waits = self.memory.load(other, Relaxed) == wait as u64;
        if waits {
            self.memory.store(other, 0, Relaxed);
        }
        waits
    }

    /// Announces that this side waits from now on. Returns false if the reason to wait is gone already, so
    /// that this side must not wait.
    ///
    /// # Errors
    /// The other side's positions are invalid.
    pub fn may_wait(&mut self, wait: Wait) -> Result<bool, Fault> {
        let [own, _] = self.waits();
        self.memory.store(own, wait as u64, Relaxed);
        self.memory.fence();
        let came = match wait {
            Wait::Bytes => self.has_bytes()?,
            Wait::Room => self.look_for_room()? >= 2 * WORD as u64,
        };
        if came {
            self.waits_no_more();
        }
        Ok(!came)
    }

    /// Announces that this side does not wait for any reason.
    pub fn waits_no_more(&self) {
        let [own, _] = self.waits();
        self.memory.store(own, 0, Relaxed);
    }
}

/// Checks the positions of a lane, one of which the other side wrote.
fn check(lane: &Lane, tail: u64, head: u64, others: u64) -> Result<(), Fault> {
    if !others.is_multiple_of(WORD as u64) {
        return Err(Fault::Unaligned {
            lane: lane.name,
            position: others,
        });
    }
    let apart = tail.checked_sub(head);
    if apart.is_none_or(|apart| apart > lane.capacity as u64) {
        return Err(Fault::Positions {
            lane: lane.name,
            tail,
            head,
            capacity: lane.capacity,
        });
    }
    Ok(())
}
