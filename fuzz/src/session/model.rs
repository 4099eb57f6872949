//! A client's expectations: which of its messages get a reply, and whether the connection lives.

use std::collections::VecDeque;

use vfio_user_ism_server::client::error::ConnectionError;
use vfio_user_ism_server::hub::ClientKind;

use super::message::{ERROR, NO_REPLY, REPLY, VERSION, u16_at, u32_at};

/// Data bytes of the largest message. Sizes a little above it, up to the header's length, are not judged.
const LARGEST: u32 = 1 << 20;
const SLACK: u32 = 4096;
/// Most descriptors that may wait for their message to be complete.
const MOST_LENT: usize = 16;

/// A message without a known effect, or the reason why the next one is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Request {
        id: u16,
        command: u16,
        no_reply: bool,
    },
    Reply,
    /// A message that makes no sense.
    Nonsense,
}

/// One connection from the view of its client.
#[derive(Debug)]
pub(super) struct Model {
    kind: ClientKind,
    /// Sent bytes that do not yet form a complete message.
    part: Vec<u8>,
    /// Sent messages whose effect is not known yet.
    flight: VecDeque<Sent>,
    /// True if VERSION was accepted.
    open: bool,
    /// True if a message was sent that makes the server close the connection.
    pub doomed: bool,
    /// True if the server may close the connection, because its view of a message is unknown.
    unsure: bool,
    /// Number of descriptors sent since the stream was last between two messages.
    waiting: usize,
}

/// The commands that an instruction channel accepts: VERSION, info of device and region, region access.
const CHANNEL: [u16; 5] = [1, 4, 5, 9, 10];

impl Model {
    /// Creates the state of a new connection.
    pub(super) fn new(kind: ClientKind) -> Self {
        Self {
            kind,
            part: Vec::new(),
            flight: VecDeque::new(),
            open: false,
            doomed: false,
            unsure: false,
            waiting: 0,
        }
    }

    /// Records sent bytes, with a number of descriptors.
    pub(super) fn sent(&mut self, bytes: &[u8], lent: usize) {
        if self.flight.back() == Some(&Sent::Nonsense) || self.doomed {
            return;
        }
        self.part.extend(bytes);
        self.waiting += lent;
        self.unsure |= self.waiting > MOST_LENT;
        while self.part.len() >= 16 {
            let (size, flags) = (u32_at(&self.part, 4), u32_at(&self.part, 8));
            if flags & 0xf > 1 || !(16..=LARGEST + SLACK).contains(&size) {
                self.flight.push_back(Sent::Nonsense);
                self.part.clear();
                break;
            }
            self.unsure |= size > LARGEST;
            let size = size as usize;
            if self.part.len() < size {
                break;
            }
            let [id, command] = [0, 2].map(|at| u16_at(&self.part, at));
            self.flight.push_back(match flags & REPLY {
                0 => Sent::Request {
                    id,
                    command,
                    no_reply: flags & NO_REPLY != 0,
                },
                _ => Sent::Reply,
            });
            self.part.drain(..size);
        }
        if self.part.is_empty() {
            self.waiting = 0;
        }
        self.settle();
    }

    /// Skips messages that get no reply.
    fn settle(&mut self) {
        while let Some(next) = self.flight.front() {
            match *next {
                Sent::Reply => {}
                Sent::Nonsense => self.doomed = true,
                Sent::Request { command, .. } if !self.open && command != VERSION => {
                    self.doomed = true;
                }
                Sent::Request {
                    no_reply: false, ..
                } => return,
                Sent::Request { command, .. } => {
                    if command == VERSION && !self.open {
                        // Nobody reports whether it was accepted.
                        (self.open, self.unsure) = (true, true);
                    }
                }
            }
            if self.doomed {
                self.flight.clear();
                self.part.clear();
                return;
            }
            self.flight.pop_front();
        }
    }

    /// True if a reply is due.
    pub(super) fn waits(&self) -> bool {
        !self.flight.is_empty()
    }

    /// True if the session is open and the stream is between two messages.
    pub(super) fn is_idle(&self) -> bool {
        self.open && !self.doomed && self.part.is_empty() && self.flight.is_empty()
    }

    /// Records a reply.
    pub(super) fn replied(&mut self, message: &[u8]) {
        let (id, command) = (u16_at(message, 0), u16_at(message, 2));
        let (flags, errno) = (u32_at(message, 8), u32_at(message, 12));
        let asked = self.flight.pop_front();
        let expected = Sent::Request {
            id,
            command,
            no_reply: false,
        };
        assert_eq!(
            asked,
            Some(expected),
            "a reply with id {id} and command {command}"
        );
        match flags {
            REPLY => assert_eq!(errno, 0, "an errno in a success"),
            flags => {
                assert_eq!(flags, REPLY | ERROR);
                assert!(
                    message.len() == 16 && (1..=133).contains(&errno),
                    "{message:?}"
                );
            }
        }
        if self.kind == ClientKind::Channel && !CHANNEL.contains(&command) {
            assert_ne!(flags, REPLY, "command {command} on a channel");
        }
        self.open |= command == VERSION && flags == REPLY;
        self.settle();
    }

    /// Checks that the end of the server's side agrees with the sent messages.
    pub(super) fn check_end(&self, result: &Result<(), ConnectionError>) {
        let cut = !self.part.is_empty();
        match result {
            _ if self.unsure => {}
            Ok(()) => assert!(
                !self.doomed && !cut && !self.waits(),
                "the connection ended without an error, expected one: {self:?}"
            ),
            Err(ConnectionError::Malformed(_)) => assert!(
                self.doomed,
                "the server closed the connection for no reason: {self:?}"
            ),
            Err(ConnectionError::Truncated { .. }) => assert!(cut && !self.doomed, "{self:?}"),
            Err(ConnectionError::Fault) => panic!("there are no faults"),
            Err(ConnectionError::TwinClosed) => panic!("there is no twin socket"),
            Err(ConnectionError::Ring(error)) => panic!("there is no ring: {error}"),
            Err(ConnectionError::System(error)) => panic!("{error}"),
        }
    }

    /// True if the server had a reason to end the stream.
    pub(super) fn may_end(&self) -> bool {
        self.doomed || self.unsure
    }
}
