//! One client, from its first message to its last: socket, session and device put together.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use vfio_user_protocol::session::Role;
use vfio_user_protocol::{Malformed, Next, Session, next_frame};

use crate::client::client_memory::ClientMemory;
use crate::client::dispatch::{self, Call};
use crate::client::message_fds::MessageFds;
use crate::client::receive_buffer::ReceiveBuffer;
use crate::client::socket::{Received, Socket};
use crate::client::spin::Spin;
use crate::hub::{Client, ClientKind, Function};
use crate::limits::{KEEP_LEN, RECEIVE_LEN};
use crate::record::LogLimit;

/// How long an open run of pieces waits for its next piece: a busy machine may take its time between
/// two pieces, and a run cut in two is reported with wrong counts.
const SETTLE: Duration = Duration::from_millis(500);

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
    socket: Arc<Socket>,
    spin: Spin,
    function: Function,
    client: Client,
    session: Session,
    memory: ClientMemory,
    received: ReceiveBuffer,
    fds: MessageFds,
    out: Vec<u8>,
    refusals: LogLimit,
    stray_replies: LogLimit,
}

impl Connection {
    /// A client of `function`, which must have been taken for it ([`Function::connect`]).
    pub fn new(socket: impl Into<Arc<Socket>>, client: Client, function: Function) -> Self {
        Self {
            socket: socket.into(),
            spin: Spin::new(function.poll()),
            function,
            client,
            session: Session::new(),
            memory: ClientMemory::default(),
            received: ReceiveBuffer::default(),
            fds: MessageFds::default(),
            out: Vec::new(),
            refusals: LogLimit::default(),
            stray_replies: LogLimit::default(),
        }
    }

    /// Serves the client until it closes the connection or breaks the protocol.
    pub async fn run(&mut self) -> Result<(), ConnectionError> {
        let function = self.function.clone();
        let kind = self.client.kind;
        let mut woken = pin!(function.woken());
        // The timer is set once for many messages: it asks whether any came meanwhile.
        let mut settle = pin!(sleep(SETTLE));
        let (mut armed, mut heard) = (false, false);
        loop {
            self.answer_all().await?;
            self.send_client_work().await?;
            function.paused();
            if heard && !armed {
                settle.as_mut().reset(Instant::now() + SETTLE);
                (armed, heard) = (true, false);
            }
            // A client that is never waited for leaves the other tasks of this thread their turn.
            tokio::task::coop::consume_budget().await;
            let room = self.received.room(RECEIVE_LEN);
            tokio::select! {
                biased;
                () = &mut woken, if kind == ClientKind::Device => {
                    woken.set(function.woken());
                    self.memory.woken();
                }
                received = self.socket.receive_spinning(room, &mut self.spin) => {
                    heard = true;
                    if self.take(received?)? {
                        return Ok(());
                    }
                }
                () = &mut settle, if armed => {
                    armed = false;
                    if !heard {
                        function.settle(kind);
                    }
                }
            }
        }
    }

    /// Takes over what a receive brought; true at the end of the stream.
    fn take(&mut self, received: Received) -> Result<bool, ConnectionError> {
        if received.bytes == 0 {
            return match self.received.bytes().len() {
                0 => Ok(true),
                got => Err(ConnectionError::Truncated { got }),
            };
        }
        self.received.filled(received.bytes);
        self.fds.arrived(received, self.received.end())?;
        Ok(false)
    }

    /// Answers every whole message in the buffer, in order, and sends the replies together.
    async fn answer_all(&mut self) -> Result<(), ConnectionError> {
        loop {
            let more = self.answer_some();
            if !self.out.is_empty() {
                self.socket.send(&self.out).await?;
                self.out.clear();
            }
            if self.out.capacity() > KEEP_LEN {
                self.out = Vec::new();
            }
            if !more? {
                return Ok(());
            }
        }
    }

    /// Answers whole messages until no more are here (`false`) or enough replies wait to be sent.
    fn answer_some(&mut self) -> Result<bool, ConnectionError> {
        while self.out.len() < RECEIVE_LEN {
            let limits = *self.session.limits();
            let frame = match next_frame(self.received.bytes(), &limits)? {
                Next::NeedMore { at_least } => {
                    self.received.need(at_least);
                    return Ok(false);
                }
                Next::Frame(frame) => frame,
            };
            let total = frame.total;
            let start = self.received.start();
            let more = &self.received.bytes()[total..];
            let fds = self.fds.take(&frame, more, start, &limits);
            match self.session.classify(&frame)? {
                Role::Request => {
                    let mut call = Call {
                        function: &self.function,
                        session: &mut self.session,
                        client: &mut self.client,
                        out: &mut self.out,
                        refusals: &mut self.refusals,
                    };
                    dispatch::answer(&mut call, &frame, fds);
                }
                Role::Reply(result) => self.memory.answered(&frame, result, &self.function),
                Role::StrayReply => {
                    if let Some(times) = self.stray_replies.due() {
                        let command = frame.header.name();
                        tracing::warn!(%command, times, "a reply to nothing is ignored");
                    }
                }
            }
            self.received.consume(total);
        }
        Ok(true)
    }

    /// Sends the next message to memory that came without a descriptor, unless one is out.
    async fn send_client_work(&mut self) -> Result<(), ConnectionError> {
        // The memory is that of the function's other client.
        if self.client.kind == ClientKind::Channel {
            return Ok(());
        }
        if self
            .memory
            .next_message(&mut self.session, &self.function, &mut self.out)
        {
            self.socket.send(&self.out).await?;
            self.out.clear();
        }
        Ok(())
    }
}
