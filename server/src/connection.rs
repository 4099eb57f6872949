//! One client, from its first message to its last: socket, session and device put together.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::net::UnixStream;
use vfio_user_protocol::header::Command;
use vfio_user_protocol::limits::Limits;
use vfio_user_protocol::session::Role;
use vfio_user_protocol::{Frame, HEADER_LEN, Header, Malformed, Next, Session, next_frame};

use crate::client_memory::ClientMemory;
use crate::dispatch::{self, Call};
use crate::hub::Function;
use crate::peer::Peer;
use crate::socket;

/// How long an open run of pieces waits for its next piece: a busy machine may take its time between
/// two pieces, and a run cut in two is reported with wrong counts.
const SETTLE: Duration = Duration::from_millis(500);
/// Bytes received at once: several hundred posted 8-byte writes.
const RECEIVE_LEN: usize = 64 << 10;

/// Why a connection ended, other than by the client closing it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// A message that cannot be understood.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The stream ended inside a message.
    #[error("the stream ended {got} bytes into a message")]
    Truncated {
        /// Bytes of the message that came.
        got: usize,
    },
    /// The system.
    #[error(transparent)]
    System(#[from] std::io::Error),
}

/// A connected client.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    function: Function,
    peer: Option<Peer>,
    session: Session,
    memory: ClientMemory,
    received: Buffer,
    fds: Descriptors,
    out: Vec<u8>,
}

impl Connection {
    /// A client of `function`, which must have been taken for it ([`Function::connect`]).
    pub fn new(stream: UnixStream, peer: Option<Peer>, function: Function) -> Self {
        Self {
            stream,
            function,
            peer,
            session: Session::new(),
            memory: ClientMemory::default(),
            received: Buffer::default(),
            fds: Descriptors::default(),
            out: Vec::new(),
        }
    }

    /// Serves the client until it closes the connection or breaks the protocol.
    pub async fn run(&mut self) -> Result<(), ConnectionError> {
        loop {
            self.answer_all().await?;
            self.send_client_work().await?;
            let open_run = self.function.drained();
            let room = self.received.room(RECEIVE_LEN);
            tokio::select! {
                received = socket::receive(&self.stream, room) => {
                    if self.take(received?)? {
                        return Ok(());
                    }
                }
                () = self.function.woken() => {}
                () = tokio::time::sleep(SETTLE), if open_run => self.function.settle(),
            }
        }
    }

    /// Takes over what a receive brought; true at the end of the stream.
    fn take(&mut self, received: socket::Received) -> Result<bool, ConnectionError> {
        if received.fds_lost {
            tracing::warn!("descriptors were lost: this process has too many open");
        }
        if received.bytes == 0 {
            return match self.received.bytes().len() {
                0 => Ok(true),
                got => Err(ConnectionError::Truncated { got }),
            };
        }
        self.received.filled(received.bytes);
        self.fds.arrived(received.fds, self.received.end())?;
        Ok(false)
    }

    /// Answers every whole message in the buffer, in order.
    async fn answer_all(&mut self) -> Result<(), ConnectionError> {
        loop {
            let limits = *self.session.limits();
            let frame = match next_frame(self.received.bytes(), &limits)? {
                Next::NeedMore { at_least } => {
                    self.received.need(at_least);
                    return Ok(());
                }
                Next::Frame(frame) => frame,
            };
            let total = frame.total;
            let start = self.received.start();
            let more = &self.received.bytes()[total..];
            let fds = self.fds.take(&frame, more, start, &limits);
            self.out.clear();
            match self.session.classify(&frame)? {
                Role::Request => {
                    let mut call = Call {
                        function: &self.function,
                        session: &mut self.session,
                        peer: self.peer,
                        out: &mut self.out,
                    };
                    dispatch::answer(&mut call, &frame, fds);
                }
                Role::Reply(result) => self.memory.answered(&frame, result, &self.function),
                Role::StrayReply => {
                    tracing::warn!(command = %frame.header.name(), "a reply to nothing is ignored");
                }
            }
            self.received.consume(total);
            if !self.out.is_empty() {
                socket::send(&self.stream, &self.out).await?;
            }
        }
    }

    /// Sends the next message to memory that came without a descriptor, unless one is out.
    async fn send_client_work(&mut self) -> Result<(), ConnectionError> {
        self.out.clear();
        if self
            .memory
            .next_message(&mut self.session, &self.function, &mut self.out)
        {
            socket::send(&self.stream, &self.out).await?;
        }
        Ok(())
    }
}

/// Received bytes that are not consumed yet. Positions count from the start of the connection.
#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    from: usize,
    to: usize,
    consumed: u64,
}

impl Buffer {
    fn bytes(&self) -> &[u8] {
        &self.bytes[self.from..self.to]
    }

    /// Position of the first byte not consumed.
    fn start(&self) -> u64 {
        self.consumed
    }

    /// Position behind the last byte received.
    fn end(&self) -> u64 {
        self.consumed + self.bytes().len() as u64
    }

    /// Room behind the received bytes, at least `least` of it.
    fn room(&mut self, least: usize) -> &mut [u8] {
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        }
        if self.bytes.len() - self.to < least {
            self.bytes.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
            if self.bytes.len() - self.to < least {
                self.bytes.resize(self.to + least, 0);
            }
        }
        &mut self.bytes[self.to..]
    }

    /// Makes the next receive large enough for a message of `total` bytes.
    fn need(&mut self, total: usize) {
        let missing = total.saturating_sub(self.bytes().len());
        if missing > RECEIVE_LEN {
            self.room(missing);
        }
    }

    fn filled(&mut self, len: usize) {
        self.to += len;
    }

    fn consume(&mut self, len: usize) {
        self.from += len;
        self.consumed += len as u64;
    }
}

/// Descriptors that came and belong to a message not answered yet.
///
/// The kernel ends a receive at the first piece of the stream that carries descriptors, so they
/// belong to a message of that receive: to the last one in it that can carry any.
#[derive(Debug, Default)]
struct Descriptors {
    waiting: VecDeque<OwnedFd>,
    /// Position in the stream up to which messages can own them.
    before: u64,
}

impl Descriptors {
    fn arrived(&mut self, fds: VecDeque<OwnedFd>, end: u64) -> Result<(), Malformed> {
        if fds.is_empty() {
            return Ok(());
        }
        self.waiting.extend(fds);
        self.before = end;
        let limit = vfio_user_protocol::limits::MAX_MSG_FDS as usize;
        match self.waiting.len() {
            got if got > limit => Err(Malformed::TooManyDescriptors { got, limit }),
            _ => Ok(()),
        }
    }

    /// The descriptors of `frame`, which starts at `start`; `more` are the bytes received behind it.
    fn take(
        &mut self,
        frame: &Frame<'_>,
        more: &[u8],
        start: u64,
        limits: &Limits,
    ) -> Vec<OwnedFd> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let end = start + frame.total as u64;
        let another = self.before > end && another_carrier(more, self.before - end, limits);
        if carries(frame.header.command) && !another || self.before <= end {
            self.waiting.drain(..).collect()
        } else {
            Vec::new()
        }
    }
}

fn carries(command: u16) -> bool {
    command == Command::DmaMap as u16 || command == Command::DeviceSetIrqs as u16
}

/// Whether a message that can carry descriptors begins in the next `within` bytes.
fn another_carrier(mut bytes: &[u8], within: u64, limits: &Limits) -> bool {
    let mut left = within;
    while left > 0 {
        let Some(head) = bytes.first_chunk::<HEADER_LEN>() else {
            return true;
        };
        let header = Header::decode(head);
        if carries(header.command) {
            return true;
        }
        match next_frame(bytes, limits) {
            Ok(Next::Frame(frame)) => {
                left = left.saturating_sub(frame.total as u64);
                bytes = &bytes[frame.total..];
            }
            _ => return false,
        }
    }
    false
}
