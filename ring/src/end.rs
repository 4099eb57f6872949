//! One side's end of a ring: sends and receives bytes, and says when to wake the other side.

use std::sync::atomic::Ordering::{self, Acquire, Relaxed, Release};

use thiserror::Error;

use crate::layout::{CLIENT_WAITS, Lane, REPLIES, REQUESTS, SERVER_WAITS, WORD};

/// Words that two sides share, by their number. Every word may change between two calls.
pub trait Memory {
    /// Reads a word.
    fn load(&self, word: usize, order: Ordering) -> u64;
    /// Writes a word.
    fn store(&self, word: usize, value: u64, order: Ordering);
    /// Orders all that this side did before against all that it does after, for both sides
    /// (sequentially consistent).
    fn fence(&self);

    /// Copies the bytes of words from `word` on, each word once and in no order.
    fn copy_out(&self, word: usize, out: &mut [u8]) {
        for (at, bytes) in out.chunks_mut(WORD).enumerate() {
            let image = self.load(word + at, Relaxed).to_ne_bytes();
            bytes.copy_from_slice(&image[..bytes.len()]);
        }
    }

    /// Copies bytes into the words from `word` on, in no order. The last one is filled with zeros.
    fn copy_in(&self, word: usize, bytes: &[u8]) {
        for (at, bytes) in bytes.chunks(WORD).enumerate() {
            let mut image = [0; WORD];
            image[..bytes.len()].copy_from_slice(bytes);
            self.store(word + at, u64::from_ne_bytes(image), Relaxed);
        }
    }
}

/// Who is at this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Sends requests.
    Client,
    /// Sends replies.
    Server,
}

/// What a side waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// For bytes.
    Bytes = 1,
    /// For room to send.
    Room = 2,
}

/// What the other side wrote into the memory makes no sense.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// More bytes than there are, or less than none.
    #[error(
        "the ring's {lane} lane: tail {tail:#x} and head {head:#x} are not 0 to {capacity:#x} bytes apart"
    )]
    Positions {
        /// Which stream.
        lane: &'static str,
        /// Its sender's position.
        tail: u64,
        /// Its receiver's position.
        head: u64,
        /// Its length in bytes.
        capacity: usize,
    },
    /// A position inside a word.
    #[error("the ring's {lane} lane: position {position:#x} is no multiple of 8")]
    Unaligned {
        /// Which stream.
        lane: &'static str,
        /// The other side's position.
        position: u64,
    },
    /// A record that is empty, or ends behind the tail.
    #[error(
        "the ring's {lane} lane: the record at {at:#x} has {length:#x} bytes, expected 1 to {most:#x}"
    )]
    Length {
        /// Which stream.
        lane: &'static str,
        /// Where the record begins.
        at: u64,
        /// The length that it says.
        length: u64,
        /// The bytes up to the tail.
        most: u64,
    },
}

/// One side's end of both streams.
#[derive(Debug)]
pub struct End<M> {
    memory: M,
    side: Side,
    /// Bytes written into the stream that this side sends.
    tail: u64,
    /// The other side's head in it, as it was when it was looked at.
    free_from: u64,
    /// Bytes taken from the stream that this side receives.
    head: u64,
    /// The other side's tail in it, as it was when it was looked at.
    seen: u64,
    /// Bytes of the record at `head` that were not taken yet, padding excluded.
    left: u64,
}

impl<M: Memory> End<M> {
    /// An end of a ring that nobody has used yet, whose memory has only zeros.
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

    /// Sends what there is room for and gives how many bytes that was. [`End::must_wake`] comes next.
    ///
    /// # Errors
    /// The other side's position makes no sense.
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
        // Release: whoever sees the tail sees the record, too.
        self.memory.store(lane.tail / WORD, self.tail, Release);
        Ok(length)
    }

    /// Receives what there is, as far as `out` has room, and gives how many bytes that was. A room of at
    /// least 8 bytes takes something if anything is there. [`End::must_wake_for_room`] comes next.
    ///
    /// # Errors
    /// What the other side wrote makes no sense.
    pub fn receive(&mut self, out: &mut [u8]) -> Result<usize, Fault> {
        let lane = self.receives();
        let (begun_at, mut filled) = (self.head, 0);
        loop {
            if self.left == 0 && !self.begin_record()? {
                break;
            }
            let room = out.get_mut(filled..).unwrap_or_default();
            let left = usize::try_from(self.left).unwrap_or(usize::MAX);
            // Whole words, but for the last one of a record.
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
            // Release: the bytes were copied before the other side finds their place free.
            self.memory.store(lane.head / WORD, self.head, Release);
        }
        Ok(filled)
    }

    /// Reads the length of the next record, if one is there.
    fn begin_record(&mut self) -> Result<bool, Fault> {
        let lane = self.receives();
        if self.head == self.seen && !self.has_bytes()? {
            return Ok(false);
        }
        let most = self.seen - self.head - WORD as u64;
        // Its tail was read with Acquire, so this is what came with it, or what was scribbled since.
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

    /// Whether there is something to receive.
    ///
    /// # Errors
    /// The other side's position makes no sense.
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

    /// Bytes that there are for records to send, as the other side says now.
    fn look_for_room(&mut self) -> Result<u64, Fault> {
        let lane = self.sends();
        // Acquire: a place is written anew after it was found free.
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

    /// Whether the other side is to be woken after something was sent.
    #[must_use]
    pub fn must_wake(&self) -> bool {
        self.takes_a_wait(Wait::Bytes)
    }

    /// Whether the other side is to be woken after something was received.
    #[must_use]
    pub fn must_wake_for_room(&self) -> bool {
        self.takes_a_wait(Wait::Room)
    }

    fn takes_a_wait(&self, wait: Wait) -> bool {
        let [_, other] = self.waits();
        // The fence stands between this side's position and the other's wait, and in `may_wait` between
        // that wait and the position: at least one of the two sides sees what the other one wrote.
        self.memory.fence();
        // Relaxed, here and below: nothing but the fences orders these words.
        let waits = self.memory.load(other, Relaxed) == wait as u64;
        if waits {
            self.memory.store(other, 0, Relaxed);
        }
        waits
    }

    /// Says that this side waits from now on. False: what it would wait for is there, and it does not.
    ///
    /// # Errors
    /// The other side's positions make no sense.
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

    /// Says that this side does not wait, whatever the reason.
    pub fn waits_no_more(&self) {
        let [own, _] = self.waits();
        self.memory.store(own, 0, Relaxed);
    }
}

/// Positions of a lane, one of which is the other side's.
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
