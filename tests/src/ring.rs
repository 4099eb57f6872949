//! The client's side of the ring in shared memory beside an instruction channel, as described in
//! `docs/protocol.md`.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use crate::memory::{Eventfd, Ram, View};
use crate::patience::{PATIENCE, wait};

/// The capabilities that a client with a ring proposes.
pub const PROPOSAL: &str = r#"{"capabilities":{"ring":{"layout":1}}}"#;
/// Bytes of the memory.
pub const LEN: u64 = 0x9_1000;
/// Offset of a position. The four positions are those of sender and receiver, for requests and for replies.
pub const REQUEST_TAIL: u64 = 0x000;
/// Offset of a position; see [`REQUEST_TAIL`].
pub const REQUEST_HEAD: u64 = 0x080;
/// Offset of a position; see [`REQUEST_TAIL`].
pub const REPLY_TAIL: u64 = 0x100;
/// Offset of a position; see [`REQUEST_TAIL`].
pub const REPLY_HEAD: u64 = 0x180;
/// Offset of a word that is not 0 while the client waits (1 for bytes, 2 for room).
pub const CLIENT_WAITS: u64 = 0x200;
/// Offset of the server's word of the same meaning.
pub const SERVER_WAITS: u64 = 0x280;
/// Offset and size in bytes of the requests.
pub const REQUESTS: (u64, u64) = (0x1000, 512 << 10);
/// Offset and size in bytes of the replies.
pub const REPLIES: (u64, u64) = (0x8_1000, 64 << 10);

/// How long the client looks before it waits. A busy machine makes a server under strace slow.
const LOOKS: Duration = Duration::from_millis(50);

/// A client's end of a ring.
#[derive(Debug)]
pub struct Ring {
    /// The memory, for tests that write invalid values.
    pub view: View,
    /// The memfd of the memory.
    pub ram: Ram,
    wakes_server: Eventfd,
    /// The server writes this eventfd to wake the client.
    pub wakes_client: Eventfd,
    sent: u64,
    taken: u64,
    inbox: Vec<u8>,
}

impl Default for Ring {
    fn default() -> Self {
        Self::new()
    }
}

impl Ring {
    /// Creates an unused ring.
    pub fn new() -> Self {
        let ram = Ram::new(LEN);
        Self {
            view: View::of(&ram),
            ram,
            wakes_server: Eventfd::new(),
            wakes_client: Eventfd::new(),
            sent: 0,
            taken: 0,
            inbox: Vec::new(),
        }
    }

    /// Returns the descriptors for VERSION.
    pub fn fds(&self) -> [BorrowedFd<'_>; 3] {
        [
            self.ram.as_fd(),
            self.wakes_server.as_fd(),
            self.wakes_client.as_fd(),
        ]
    }

    /// Sends bytes as one record, which must fit, and wakes the server if it waits.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8], socket: BorrowedFd<'_>) {
        let (data, capacity) = REQUESTS;
        let length = 8 + bytes.len().next_multiple_of(8) as u64;
        assert!(length <= capacity, "a record of {length} bytes");
        while capacity - (self.sent - self.load(REQUEST_HEAD)) < length {
            self.wait(2, socket, |ring| {
                capacity - (ring.sent - ring.load(REQUEST_HEAD)) >= length
            });
        }
        let mut record = (bytes.len() as u64).to_ne_bytes().to_vec();
        record.extend(bytes);
        record.resize(length as usize, 0);
        for (at, word) in record.chunks(8).enumerate() {
            let position = data + (self.sent + 8 * at as u64) % capacity;
            let value = u64::from_ne_bytes(word.try_into().unwrap());
            self.view.word(position).store(value, Ordering::Relaxed);
        }
        self.sent += length;
        self.view
            .word(REQUEST_TAIL)
            .store(self.sent, Ordering::Release);
        self.wake_server(1);
    }

    /// Wakes the server if it waits for this reason.
    pub fn wake_server(&self, what: u64) {
        fence(Ordering::SeqCst);
        let waits = self.view.word(SERVER_WAITS);
        if waits.load(Ordering::Relaxed) == what {
            waits.store(0, Ordering::Relaxed);
            self.wakes_server.signal();
        }
    }

    /// Wakes the server whether it waits or not.
    pub fn signal_server(&self) {
        self.wakes_server.signal();
    }

    /// Receives `bytes.len()` bytes. Returns 0 if the server has left.
    #[track_caller]
    pub fn receive(&mut self, bytes: &mut [u8], socket: BorrowedFd<'_>) -> usize {
        while self.inbox.len() < bytes.len() {
            let tail = self.load(REPLY_TAIL);
            if tail == self.taken {
                if !self.wait(1, socket, |ring| ring.load(REPLY_TAIL) != ring.taken) {
                    return 0;
                }
                continue;
            }
            let length = self.word(self.taken);
            assert!(
                (1..=tail - self.taken - 8).contains(&length),
                "a record of {length} bytes before {tail:#x}"
            );
            for at in 0..length.div_ceil(8) {
                let word = self.word(self.taken + 8 + 8 * at).to_ne_bytes();
                let count = 8.min(length - 8 * at) as usize;
                self.inbox.extend(&word[..count]);
            }
            self.taken += 8 + length.next_multiple_of(8);
            self.view
                .word(REPLY_HEAD)
                .store(self.taken, Ordering::Release);
            self.wake_server(2);
        }
        bytes.copy_from_slice(&self.inbox[..bytes.len()]);
        self.inbox.drain(..bytes.len());
        bytes.len()
    }

    fn load(&self, offset: u64) -> u64 {
        self.view.word(offset).load(Ordering::Acquire)
    }

    fn word(&self, position: u64) -> u64 {
        let (data, capacity) = REPLIES;
        self.view
            .word(data + position % capacity)
            .load(Ordering::Relaxed)
    }

    /// Waits for a wake-up, unless the awaited state is there already. Returns false if the server has left.
    #[track_caller]
    fn wait(&self, what: u64, socket: BorrowedFd<'_>, there: impl Fn(&Self) -> bool) -> bool {
        // The server gets its turn before a wait, which would need system calls on both sides.
        let begun = Instant::now();
        while begun.elapsed() < LOOKS {
            if there(self) {
                return true;
            }
            std::thread::yield_now();
        }
        let waits = self.view.word(CLIENT_WAITS);
        waits.store(what, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let mut open = true;
        if !there(self) {
            let mut fds = [
                PollFd::new(&self.wakes_client, PollFlags::IN),
                PollFd::new(&socket, PollFlags::IN),
            ];
            assert_ne!(wait(&mut fds), 0, "nothing arrived within {PATIENCE:?}");
            open = fds[1].revents().is_empty() || there(self);
            self.wakes_client.take();
        }
        waits.store(0, Ordering::Relaxed);
        open
    }
}
