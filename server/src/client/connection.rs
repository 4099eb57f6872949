//! One client's connection, from the first message to the last. It joins socket, session and device.

use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{Instant as TimerInstant, sleep};
use vfio_user_protocol::session::Role;
use vfio_user_protocol::{Kind, Malformed, Next, Session, next_frame};

use crate::client::client_memory::ClientMemory;
use crate::client::dispatch::{self, Call};
use crate::client::error::ConnectionError;
use crate::client::message_fds::MessageFds;
use crate::client::pace::Pace;
use crate::client::receive_buffer::{Ahead, ReceiveBuffer};
use crate::client::ring_link::{self, RingLink};
use crate::client::socket::{Received, Socket};
use crate::client::spin::Spin;
use crate::hub::{Accesses, Client, ClientKind, Function, MessageFault};
use crate::limits::{DMA_REPLY_MS, KEEP_LEN, RECEIVE_LEN};
use crate::record::LogLimit;
use crate::record::capture::{Descriptors, Tap};

/// Time that an open run of pieces waits for its next piece. It is long, because a busy machine may need time
/// between two pieces, and a run that is cut in two is reported with wrong counts.
const SETTLE: Duration = Duration::from_millis(500);

/// Time that replies wait for the client to answer a message to memory that it unmaps.
const HOLD: Duration = Duration::from_millis(DMA_REPLY_MS);

/// Interval at which a delayed reply's client is checked for being gone.
const LOOK: Duration = Duration::from_millis(50);

/// A connected client, with all state of its connection.
#[derive(Debug)]
pub struct Connection {
    socket: Arc<Socket>,
    /// The ring, which carries all messages once it exists.
    ring: Option<Box<RingLink>>,
    /// A ring on which both sides agreed. It takes over when the reply that says so was sent.
    agreed_ring: Option<Box<RingLink>>,
    spin: Spin,
    pace: Pace,
    function: Function,
    client: Client,
    session: Session,
    memory: ClientMemory,
    received: ReceiveBuffer,
    fds: MessageFds,
    out: Vec<u8>,
    /// Replies in `out` from this position on wait for the client's answer to a message of the server.
    held: Option<usize>,
    /// Buffer for a message of the server.
    message: Vec<u8>,
    /// A descriptor for the client, and the position in `out` of its reply.
    sent_fd: Option<(usize, OwnedFd)>,
    /// Limit on the bytes that the next receive takes.
    ahead: Ahead,
    refusals: LogLimit,
    stray_replies: LogLimit,
    tap: Option<Tap>,
    /// A fault, and the position in `out` of the first reply that it affects.
    fault: Option<(usize, MessageFault)>,
}

impl Connection {
    /// Creates the connection of a client of `function`, which must be taken for it ([`Function::connect`]).
    pub fn new(socket: impl Into<Arc<Socket>>, client: Client, function: Function) -> Self {
        let socket = socket.into();
        let poll = function.poll();
        Self {
            pace: Pace::new(poll.is_zero() && socket.bound_waiting()),
            socket,
            ring: None,
            agreed_ring: None,
            spin: Spin::new(poll),
            tap: function.tap(client.kind),
            function,
            client,
            session: Session::new(),
            memory: ClientMemory::default(),
            received: ReceiveBuffer::default(),
            fds: MessageFds::default(),
            out: Vec::new(),
            held: None,
            message: Vec::new(),
            sent_fd: None,
            ahead: Ahead::default(),
            refusals: LogLimit::default(),
            stray_replies: LogLimit::default(),
            fault: None,
        }
    }

    /// Never waits inside a receive, because another task on this thread is as important: in the fuzz
    /// targets, that is the client itself.
    #[must_use]
    pub fn sharing_its_thread(mut self) -> Self {
        self.pace = Pace::new(false);
        self
    }

    /// Serves the client until it closes the connection or breaks the protocol.
    pub async fn run(&mut self) -> Result<(), ConnectionError> {
        let function = self.function.clone();
        let kind = self.client.kind;
        let mut woken = pin!(function.woken());
        // The timer runs for many messages: when it ends, the loop checks whether any came meanwhile.
        let mut settle = pin!(sleep(SETTLE));
        let (mut armed, mut heard) = (false, false);
        let mut release = pin!(sleep(HOLD));
        let mut holds = false;
        loop {
            self.answer_all(&function).await?;
            self.send_client_work().await?;
            function.paused();
            if self.held.is_some() && !holds {
                release.as_mut().reset(TimerInstant::now() + HOLD);
            }
            holds = self.held.is_some();
            if heard && !armed {
                settle.as_mut().reset(TimerInstant::now() + SETTLE);
                (armed, heard) = (true, false);
            }
            // A client that always has messages must leave the other tasks of this thread their turn.
            if self.pace.is_turn() {
                tokio::task::yield_now().await;
            }
            // A channel's messages carry no descriptors, so one receive may take everything that has arrived.
            let window = match kind {
                ClientKind::Device => self.ahead.window(self.received.bytes()),
                ClientKind::Channel => RECEIVE_LEN,
            };
            let waits = self.has_the_thread();
            let looks = self.spin.is_due() && self.is_plain();
            let room = &mut self.received.room(window)[..window];
            if waits && self.pace.is_quick() {
                let Some(received) = self.socket.receive_waiting(room)? else {
                    self.pace.paused();
                    continue;
                };
                heard = true;
                if self.take(received)? {
                    return Ok(());
                }
                continue;
            }
            if looks && let Some(received) = self.socket.look(room)? {
                self.spin.hit();
                heard = true;
                if self.take(received)? {
                    return Ok(());
                }
                continue;
            }
            let begun = waits.then(Instant::now);
            tokio::select! {
                biased;
                () = &mut woken, if kind == ClientKind::Device => {
                    woken.set(function.woken());
                    self.memory.woken();
                }
                // Before the messages: a client that always has some would starve these.
                received = self.memory.receive_twin() => {
                    received?;
                    let tap = self.tap.as_ref();
                    self.memory.take_twin_replies(&mut self.session, &self.function, tap)?;
                    if self.memory.is_twin_closed() && self.session.is_waiting() {
                        return Err(ConnectionError::TwinClosed);
                    }
                    self.release_if_answered();
                }
                () = &mut release, if holds => {
                    tracing::warn!(
                        "the client unmaps memory and does not answer a DMA_READ or DMA_WRITE to it: its other replies no longer wait"
                    );
                    self.memory.give_up();
                    self.held = None;
                }
                received = receive(&self.socket, &mut self.ring, room, &mut self.spin) => {
                    heard = true;
                    self.pace.came_since(begun);
                    if self.take(received?)? {
                        return Ok(());
                    }
                }
                () = &mut settle, if armed => {
                    armed = false;
                    if !heard {
                        function.settle(kind);
                        if let Some(tap) = &self.tap {
                            tap.flush();
                        }
                    }
                }
            }
        }
    }

    /// True if only this client needs the thread, and the function has no other client.
    fn has_the_thread(&self) -> bool {
        self.pace.is_able()
            && self.is_plain()
            && self.function.is_alone()
            && !self.function.is_faulty()
    }

    /// True if the client's messages come by the socket, the server has no message to send, and no reply
    /// waits.
    fn is_plain(&self) -> bool {
        self.ring.is_none()
            && self.held.is_none()
            && !self.memory.is_used()
            && self.memory.twin().is_none()
    }

    /// Takes over the result of a receive. Returns true at the end of the stream.
    fn take(&mut self, received: Received) -> Result<bool, ConnectionError> {
        if received.bytes == 0 {
            return match self.received.bytes().len() {
                0 => Ok(true),
                got => Err(ConnectionError::Truncated { got }),
            };
        }
        self.pace.received(received.bytes);
        self.received.filled(received.bytes);
        if !received.fds.is_empty() || received.fds_lost {
            self.fds.arrived(received, self.received.end())?;
        }
        Ok(false)
    }

    /// Answers every complete message in the buffer, in order, and sends the replies together.
    async fn answer_all(&mut self, function: &Function) -> Result<(), ConnectionError> {
        loop {
            let more = self.answer_some(&mut Accesses::new(function));
            let fault = self.fault.take();
            let ready = self.held.unwrap_or(self.out.len());
            self.send_replies(fault.map_or(ready, |(at, _)| at.min(ready)))
                .await?;
            if let Some((_, fault)) = fault {
                self.misbehave(fault).await?;
            }
            if self.out.capacity() > KEEP_LEN {
                self.out = Vec::new();
            }
            if !more? {
                return Ok(());
            }
        }
    }

    /// Sends the first `ready` bytes of the replies.
    async fn send_replies(&mut self, ready: usize) -> Result<(), ConnectionError> {
        if let Some(tap) = self.tap.as_ref().filter(|_| ready > 0) {
            tap.to_client(&self.out[..ready]);
        }
        if let Some(ring) = &mut self.ring {
            ring.send(&self.socket, &self.out[..ready]).await?;
        } else if let Some((at, fd)) = self.sent_fd.take_if(|(at, _)| *at < ready) {
            let (before, with_fd) = self.out[..ready].split_at(at);
            self.socket.send(before).await?;
            self.socket.send_with(with_fd, Some(fd.as_fd())).await?;
        } else if ready > 0 {
            self.socket.send(&self.out[..ready]).await?;
        }
        if ready == self.out.len() {
            self.out.clear();
        } else {
            self.out.drain(..ready);
        }
        self.held = self.held.map(|at| at - ready);
        if let Some((at, _)) = &mut self.sent_fd {
            *at -= ready;
        }
        if self.out.is_empty()
            && let Some(ring) = self.agreed_ring.take()
        {
            self.spin = Spin::new(self.function.poll().max(ring_link::LOOK));
            self.ring = Some(ring);
        }
        Ok(())
    }

    /// Carries out a fault on the next reply. A reply that waits for an answer of the client is not affected.
    async fn misbehave(&mut self, fault: MessageFault) -> Result<(), ConnectionError> {
        match fault {
            MessageFault::Delay(time) => {
                let end = Instant::now() + time;
                // A client that is gone must not keep the function's place.
                while !self.socket.is_gone() && Instant::now() < end {
                    sleep(LOOK.min(end.saturating_duration_since(Instant::now()))).await;
                }
            }
            MessageFault::Lose if self.held.is_none() => {
                self.out.clear();
                self.sent_fd = None;
                self.agreed_ring = None;
            }
            MessageFault::Cut(bytes) if self.held.is_none() => {
                self.send_replies(bytes.min(self.out.len())).await?;
                return Err(ConnectionError::Fault);
            }
            MessageFault::Close => return Err(ConnectionError::Fault),
            MessageFault::Lose | MessageFault::Cut(_) => {}
        }
        Ok(())
    }

    /// Answers complete messages until none is left (`false`) or until enough replies wait to be sent.
    fn answer_some(&mut self, accesses: &mut Accesses<'_>) -> Result<bool, ConnectionError> {
        while self.out.len() < RECEIVE_LEN {
            let limits = *self.session.limits();
            let next = next_frame(self.received.bytes(), &limits);
            let frame = match next.map_err(|malformed| self.told(malformed))? {
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
            let seen = self.tap.as_ref().map(|tap| {
                let fds = fds.as_ref().ok().map(Vec::as_slice);
                (tap.time(), Descriptors::of(fds))
            });
            self.ahead.handled(&frame.header);
            // With a twin socket, replies to the server's messages arrive there.
            let role = if self.memory.twin().is_some() && frame.header.kind() == Some(Kind::Reply) {
                Ok(Role::StrayReply)
            } else {
                self.session.classify(&frame)
            };
            match role.map_err(|malformed| self.told(malformed))? {
                Role::Request => {
                    let before = self.out.len();
                    let faulty = accesses.is_faulty();
                    if faulty {
                        let name = frame.header.name();
                        let fault = accesses.function().message_fault(name.as_str());
                        self.fault = fault.map(|fault| (before, fault));
                        if let Some(MessageFault::Close) = fault {
                            return Ok(true);
                        }
                    }
                    let mut call = Call {
                        accesses,
                        session: &mut self.session,
                        client: &mut self.client,
                        memory: &mut self.memory,
                        out: &mut self.out,
                        sent_fd: None,
                        ring: None,
                        refusals: &mut self.refusals,
                    };
                    dispatch::answer(&mut call, &frame, fds);
                    let agreed_ring = call.ring.take();
                    if let Some(fd) = call.sent_fd.take()
                        && self.out.len() > before
                    {
                        self.sent_fd = Some((before, fd));
                    }
                    if self.memory.holds_replies() {
                        self.held.get_or_insert(before);
                    }
                    self.agreed_ring = agreed_ring;
                    if faulty && let Some(hold) = accesses.function().take_hold() {
                        self.fault = Some((before, hold));
                    }
                }
                Role::Reply(result) => {
                    let function = accesses.function();
                    self.memory.answered(&frame, result, function);
                    self.release_if_answered();
                }
                Role::StrayReply => {
                    if let Some(times) = self.stray_replies.due() {
                        accesses.release();
                        let command = frame.header.name();
                        tracing::warn!(%command, times, "ignored a reply that answers no message of the server");
                    }
                }
            }
            if let (Some(tap), Some((time, fds))) = (&self.tap, seen) {
                let message = &self.received.bytes()[..total];
                let remarks = accesses.function().take_remarks();
                tap.from_client(message, fds, &remarks, time);
            }
            self.received.consume(total);
            // A reply that a fault or a new ring affects is sent after the replies so far.
            if self.fault.is_some() || self.agreed_ring.is_some() {
                return Ok(true);
            }
        }
        // With this many replies, none waits for the client any more.
        self.memory.give_up();
        self.held = None;
        Ok(true)
    }

    /// Records in the capture that these bytes end the connection.
    fn told(&self, malformed: Malformed) -> Malformed {
        if let Some(tap) = &self.tap {
            let remark = [format!("malformed: {malformed}")];
            let bytes = self.received.bytes();
            tap.from_client(bytes, Descriptors::default(), &remark, tap.time());
        }
        malformed
    }

    /// Releases the waiting replies if the client answered the message that they waited for.
    fn release_if_answered(&mut self) {
        if !self.memory.holds_replies() {
            self.held = None;
        }
    }

    /// Sends the next message to memory without a descriptor, unless an earlier one awaits its answer.
    async fn send_client_work(&mut self) -> Result<(), ConnectionError> {
        // The memory belongs to the function's device client.
        if self.client.kind == ClientKind::Channel {
            return Ok(());
        }
        let message = &mut self.message;
        if self
            .memory
            .next_message(&mut self.session, &self.function, message)
        {
            if let Some(tap) = &self.tap {
                tap.to_client(message);
            }
            let twin = self.memory.twin();
            twin.unwrap_or(&*self.socket).send(message).await?;
            message.clear();
            if message.capacity() > KEEP_LEN {
                *message = Vec::new();
            }
        }
        Ok(())
    }
}

/// Receives from the ring if there is one, otherwise from the socket.
async fn receive(
    socket: &Socket,
    ring: &mut Option<Box<RingLink>>,
    room: &mut [u8],
    spin: &mut Spin,
) -> Result<Received, ConnectionError> {
    match ring {
        Some(ring) => Ok(ring.receive(socket, room, spin).await?),
        None => Ok(socket.receive_spinning(room, spin).await?),
    }
}

#[cfg(test)]
mod tests;
