//! Memory without a descriptor, which the server reaches by DMA_READ and DMA_WRITE, one message at a time.
//!
//! The server learns the client's layout of these messages from the first DMA_READ reply that fits only one
//! layout. Until then, it reads the same bytes before a write, if the memory is readable. A reply full of
//! zeros fits both layouts: then the server writes the bytes in the wide layout and reads them back.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use vfio_user_protocol::header::Command;
use vfio_user_protocol::message::dma::{self, DmaLayout, DmaReadReply};
use vfio_user_protocol::session::Role;
use vfio_user_protocol::{Errno, Frame, Next, Session, next_frame};

use crate::client::error::ConnectionError;
use crate::client::receive_buffer::ReceiveBuffer;
use crate::client::socket::Socket;
use crate::hub::{ClientWork, Function};
use crate::limits::RECEIVE_LEN;
use crate::record::capture::{Descriptors, Tap};

/// The messages to a client's memory: their state and their layout.
#[derive(Debug)]
pub struct ClientMemory {
    layout: Option<DmaLayout>,
    work: Option<Work>,
    /// True if there may be more work.
    ask: bool,
    /// A message that was sent, and whose memory is no longer lent.
    cancelled: Option<Cancelled>,
    /// The socket for these messages, if the client asked for a separate one.
    twin: Option<Twin>,
    /// True if the client has lent memory without a descriptor.
    used: bool,
}

/// The server's end of a twin socket.
#[derive(Debug)]
struct Twin {
    socket: Socket,
    received: ReceiveBuffer,
    closed: bool,
}

/// Handling of a message that the server sent before the cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cancelled {
    /// Replies wait until the client answers the message.
    RepliesWait,
    /// Replies have waited long enough.
    GivenUp,
}

impl Default for ClientMemory {
    fn default() -> Self {
        Self {
            layout: None,
            work: None,
            ask: true,
            cancelled: None,
            twin: None,
            used: false,
        }
    }
}

/// One operation on memory, carried out in parts of at most the agreed transfer size.
#[derive(Debug)]
struct Work {
    iova: u64,
    bytes: Vec<u8>,
    /// True if `bytes` are masks to be ORed in.
    bits: bool,
    /// True if the memory may be read.
    readable: bool,
    /// Number of bytes that are finished.
    done: usize,
    /// Number of bytes in the current part.
    part: usize,
    step: Step,
}

/// The next message for the current part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Reads the part, to set bits in it or only to learn the layout.
    Read,
    /// Writes the part.
    Write,
    /// Reads back the first bytes of the part, which was written in the wide layout as a guess.
    ReadBack(usize),
    /// Writes the part in the layout of QEMU 10. A client with the wide layout refuses such a message.
    TryPadded,
}

impl Work {
    fn new(work: ClientWork, layout: Option<DmaLayout>) -> Self {
        let ClientWork {
            iova,
            bytes,
            masks: bits,
            readable,
        } = work;
        let mut work = Self {
            iova,
            bytes,
            bits,
            readable,
            done: 0,
            part: 0,
            step: Step::Write,
        };
        work.step = work.first_step(layout);
        work
    }

    fn first_step(&self, layout: Option<DmaLayout>) -> Step {
        if self.bits || (layout.is_none() && self.readable) {
            Step::Read
        } else {
            Step::Write
        }
    }

    fn part_iova(&self) -> u64 {
        self.iova.saturating_add(self.done as u64)
    }

    fn part(&self) -> &[u8] {
        let end = self.done + self.part;
        self.bytes.get(self.done..end).unwrap_or_default()
    }

    fn part_mut(&mut self) -> &mut [u8] {
        let end = self.done + self.part;
        self.bytes.get_mut(self.done..end).unwrap_or_default()
    }

    /// Returns the number of bytes to read back after a part was written in the wide layout as a guess;
    /// `None` if reading back would not reveal the layout.
    fn to_read_back(&self) -> Option<usize> {
        let last = self.part().iter().rposition(|byte| *byte != 0)?;
        self.readable.then_some(last + 1)
    }

    /// Goes on after a part was written. Returns true if there is another part.
    fn next_part(&mut self, layout: Option<DmaLayout>) -> bool {
        self.done += self.part;
        self.step = self.first_step(layout);
        self.done < self.bytes.len()
    }
}

impl ClientMemory {
    /// Sends messages through a separate socket from now on. Returns the client's end of it.
    pub fn make_twin(&mut self) -> std::io::Result<OwnedFd> {
        let (ours, theirs) = UnixStream::pair()?;
        self.twin = Some(Twin {
            socket: Socket::try_from(ours)?,
            received: ReceiveBuffer::default(),
            closed: false,
        });
        Ok(theirs.into())
    }

    /// The socket for messages, if it is not the client's main socket.
    pub fn twin(&self) -> Option<&Socket> {
        self.twin.as_ref().map(|twin| &twin.socket)
    }

    /// True if the client has closed its end of the twin socket.
    pub fn is_twin_closed(&self) -> bool {
        self.twin.as_ref().is_some_and(|twin| twin.closed)
    }

    /// Waits until something arrives on the twin socket; for ever without one.
    pub async fn receive_twin(&mut self) -> std::io::Result<()> {
        let Some(twin) = self.twin.as_mut().filter(|twin| !twin.closed) else {
            return std::future::pending().await;
        };
        // The server closes descriptors that come along.
        let received = twin.socket.receive(twin.received.room(RECEIVE_LEN)).await?;
        twin.received.filled(received.bytes);
        twin.closed = received.bytes == 0;
        Ok(())
    }

    /// Handles the replies that arrived on the twin socket.
    pub fn take_twin_replies(
        &mut self,
        session: &mut Session,
        function: &Function,
        tap: Option<&Tap>,
    ) -> Result<(), ConnectionError> {
        let Some(mut twin) = self.twin.take() else {
            return Ok(());
        };
        let taken = self.twin_replies(&mut twin.received, session, function, tap);
        self.twin = Some(twin);
        taken
    }

    fn twin_replies(
        &mut self,
        received: &mut ReceiveBuffer,
        session: &mut Session,
        function: &Function,
        tap: Option<&Tap>,
    ) -> Result<(), ConnectionError> {
        loop {
            let frame = match next_frame(received.bytes(), session.limits())? {
                Next::NeedMore { at_least } => {
                    received.need(at_least);
                    return Ok(());
                }
                Next::Frame(frame) => frame,
            };
            let total = frame.total;
            if let Role::Reply(result) = session.classify_twin(&frame)? {
                self.answered(&frame, result, function);
            }
            if let Some(tap) = tap {
                let message = &received.bytes()[..total];
                tap.from_client(message, Descriptors::default(), &[], tap.time());
            }
            received.consume(total);
        }
    }

    /// Records that the client has lent memory without a descriptor.
    pub fn lent(&mut self) {
        self.used = true;
    }

    /// True if the client has ever lent memory without a descriptor.
    pub fn is_used(&self) -> bool {
        self.used
    }

    /// Records that there may be work ([`Function::woken`]).
    pub fn woken(&mut self) {
        self.ask = true;
    }

    /// Cancels the current work, because its memory is no longer lent or the device was reset. The server
    /// sends nothing more of it.
    pub fn cancel(&mut self, session: &Session) {
        if self.work.take().is_some() && session.is_waiting() {
            self.cancelled = Some(Cancelled::RepliesWait);
        }
    }

    /// True if replies wait for the client to answer a message whose memory is no longer lent.
    pub fn holds_replies(&self) -> bool {
        self.cancelled == Some(Cancelled::RepliesWait)
    }

    /// Stops replies from waiting.
    pub fn give_up(&mut self) {
        if self.cancelled.is_some() {
            self.cancelled = Some(Cancelled::GivenUp);
        }
    }

    /// Appends the next message to `out`, if there is work and no message awaits its answer.
    pub fn next_message(
        &mut self,
        session: &mut Session,
        function: &Function,
        out: &mut Vec<u8>,
    ) -> bool {
        if !session.is_open() || session.is_waiting() {
            return false;
        }
        if self.work.is_none() && self.ask {
            let work = function.client_work();
            self.work = work.map(|work| Work::new(work, self.layout));
        }
        let Some(work) = &mut self.work else {
            self.ask = false;
            return false;
        };
        let command = match work.step {
            Step::Read | Step::ReadBack(_) => Command::DmaRead,
            Step::Write | Step::TryPadded => Command::DmaWrite,
        };
        let Some(id) = session.begin(command) else {
            return false;
        };
        let largest = session.limits().max_data_xfer_size as usize;
        work.part = (work.bytes.len() - work.done).min(largest);
        let iova = work.part_iova();
        let (layout, wide) = (self.layout, DmaLayout::Wide);
        match work.step {
            Step::Read => dma::encode_dma_read(id, layout, iova, work.part as u32, out),
            Step::ReadBack(len) => dma::encode_dma_read(id, layout, iova, len as u32, out),
            Step::Write => {
                dma::encode_dma_write(id, layout.unwrap_or(wide), iova, work.part(), out);
            }
            Step::TryPadded => {
                dma::encode_dma_write(id, DmaLayout::NarrowPadded, iova, work.part(), out);
            }
        }
        true
    }

    /// Handles the client's reply to the message that awaits it.
    pub fn answered(&mut self, frame: &Frame<'_>, result: Result<(), Errno>, function: &Function) {
        self.cancelled = None;
        let Some(mut work) = self.work.take() else {
            return;
        };
        let (iova, part) = (work.part_iova(), work.part);
        match self.step(&mut work, frame, result) {
            Ok(true) => self.work = Some(work),
            Ok(false) => {}
            Err(errno) => {
                let why = format!("the client refused {}", frame.header.name());
                function.client_refused(iova, part, errno, &why);
            }
        }
    }

    /// Carries out one step of the work with the reply to it. Returns true if there is more to do; an error
    /// ends the work.
    fn step(
        &mut self,
        work: &mut Work,
        frame: &Frame<'_>,
        result: Result<(), Errno>,
    ) -> Result<bool, Errno> {
        let iova = work.part_iova();
        match work.step {
            Step::Write => {
                result?;
                if self.layout.is_none()
                    && let Some(len) = work.to_read_back()
                {
                    work.step = Step::ReadBack(len);
                    return Ok(true);
                }
                Ok(work.next_part(self.layout))
            }
            Step::TryPadded => {
                let layout = match result {
                    Ok(()) => DmaLayout::NarrowPadded,
                    Err(_) => DmaLayout::Wide,
                };
                self.layout = Some(layout);
                if layout == DmaLayout::Wide {
                    work.step = Step::Write;
                    return Ok(true);
                }
                Ok(work.next_part(self.layout))
            }
            Step::ReadBack(len) => {
                let reply = result.and_then(|()| self.read(frame, iova, len));
                match reply {
                    Ok(DmaReadReply::Data { layout, data }) if work.part().starts_with(data) => {
                        self.layout = layout.or(Some(DmaLayout::Wide));
                    }
                    Ok(_) => {
                        work.step = Step::TryPadded;
                        return Ok(true);
                    }
                    // The server cannot read back the bytes, so it assumes the documented layout.
                    Err(_) => self.layout = Some(DmaLayout::Wide),
                }
                Ok(work.next_part(self.layout))
            }
            Step::Read => {
                match result.and_then(|()| self.read(frame, iova, work.part)) {
                    Ok(DmaReadReply::CountZero(layout)) => {
                        // This happens once: with a known layout, no reply is read this way.
                        self.layout = Some(layout);
                        return Ok(true);
                    }
                    Ok(DmaReadReply::Data { layout, data }) => {
                        self.layout = layout;
                        if work.bits {
                            let part = work.part_mut().iter_mut();
                            part.zip(data).for_each(|(mask, byte)| *mask |= byte);
                        }
                    }
                    Err(errno) if work.bits => return Err(errno),
                    // Memory that cannot be read does not reveal the layout, so the server assumes the
                    // documented one.
                    Err(_) => self.layout = Some(DmaLayout::Wide),
                }
                work.step = Step::Write;
                Ok(true)
            }
        }
    }

    fn read<'a>(
        &self,
        frame: &Frame<'a>,
        iova: u64,
        len: usize,
    ) -> Result<DmaReadReply<'a>, Errno> {
        dma::decode_dma_read_reply(frame.body, self.layout, iova, len as u32)
            .map_err(|refused| refused.errno)
    }
}
