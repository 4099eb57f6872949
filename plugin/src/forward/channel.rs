// SPDX-License-Identifier: GPL-2.0-or-later
//! The client's side of a server's instruction channel. Each question gets one answer, within a bounded time.
//!
//! A posted move is a question whose answer is read later, before the next question that is not posted.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use vfio_user_protocol::message::{DeviceInfo, RegionInfo, Reply, Request, Version};
use vfio_user_protocol::{Errno, Frame, Limits, Next, next_frame};
use vfio_user_ring::layout::{LAYOUT, WORD};
use zpci_region::clp::read_device_info;
use zpci_region::request::{ABI_LEN, REGION_INDEX};

use super::channel_error::ChannelError;
use super::facts::FunctionFacts;
use super::link::{Link, Ring};
use super::posted::{Accepted, Target};

/// Bytes for one answer: to DEVICE_GET_INFO, DEVICE_GET_REGION_INFO, and any other.
const ROOM: usize = 4096;
/// Number of BARs of a function.
const BARS: usize = 6;
/// Largest number of posted moves without an answer. Their answers fit the server's socket, so that neither
/// side waits for the other to read.
const UNDER_WAY: usize = 64;
/// The channel checks for answers after so many posted moves.
const LOOK_EVERY: usize = 16;

/// The server's answer: success, or an errno.
pub(crate) type Answer<T> = Result<T, Errno>;

/// A connection to the server of one function.
#[derive(Debug)]
pub(crate) struct Channel {
    link: Link,
    /// Bytes received and not yet read: the first `filled`. A ring needs one more word of room.
    buffer: Box<[u8; ROOM + WORD]>,
    filled: usize,
    next_id: u16,
    /// Posted moves without an answer, the oldest first.
    under_way: VecDeque<(u16, Target)>,
    accepted: Accepted,
    /// Number of posted moves since the last check for answers.
    unlooked: usize,
    error: ErrorState,
    /// The refusal of a posted move, until somebody is informed.
    late: Option<Errno>,
}

/// The effect of a refused posted move on a function.
///
/// States and transitions: QEMU `hw/s390x/s390-pci-inst.c`, `mpcifc_service_call`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ErrorState {
    /// No refusal so far, or the guest has reset the error.
    #[default]
    None,
    /// Loads and stores end with condition code 1.
    Error,
    /// Loads and stores work again, but the guest has not reset the error yet.
    Unblocked,
}

impl Channel {
    /// Connects to the socket at `path` and asks for the function's limits. No answer may take longer than
    /// `patience`, now or later. With `ring`, messages go through shared memory if the server agrees.
    ///
    /// # Errors
    /// See [`ChannelError`].
    /// See [`ChannelError`].
    pub(crate) fn connect(
        path: &Path,
        patience: Duration,
        ring: bool,
    ) -> Result<(Self, FunctionFacts), ChannelError> {
        let mut channel = Self {
            link: Link::connect(path, patience)?,
            buffer: Box::new([0; ROOM + WORD]),
            filled: 0,
            next_id: 1,
            under_way: VecDeque::with_capacity(UNDER_WAY),
            accepted: Accepted::default(),
            unlooked: 0,
            error: ErrorState::None,
            late: None,
        };
        let facts = channel.introduce(ring)?;
        Ok((channel, facts))
    }

    /// Returns the id of the next message, and reserves `count` ids.
    pub(crate) fn take_ids(&mut self, count: u16) -> u16 {
        let id = self.next_id;
        self.next_id = id.wrapping_add(count);
        id
    }

    /// True if the outcome of a move to this target is known.
    pub(crate) fn knows(&self, target: Target) -> bool {
        self.accepted.has(target)
    }

    /// Records that the server accepted a move to this target.
    pub(crate) fn accept(&mut self, target: Target) {
        self.accepted.add(target);
    }

    /// Forgets all known outcomes, because a command may change them.
    pub(crate) fn forget_accepted(&mut self) {
        self.accepted.clear();
    }

    /// The error state to which refused posted moves have led.
    pub(crate) const fn error_state(&self) -> ErrorState {
        self.error
    }

    /// Sets the error state, because the guest resets the error or a part of it.
    pub(crate) fn set_error_state(&mut self, state: ErrorState) {
        self.error = state;
    }

    /// Takes the refusal that led to the error state, once.
    pub(crate) fn take_late(&mut self) -> Option<Errno> {
        self.late.take()
    }

    /// Makes room for one more posted move, and sometimes checks for answers.
    ///
    /// # Errors
    /// See [`ChannelError`]; the channel cannot be used afterwards.
    pub(crate) fn make_room(&mut self) -> Result<(), ChannelError> {
        if self.under_way.len() >= UNDER_WAY {
            self.settle_down_to(UNDER_WAY / 2)?;
        }
        self.unlooked += 1;
        if self.unlooked >= LOOK_EVERY {
            self.unlooked = 0;
            while !self.under_way.is_empty() && self.has_answer()? {
                self.settle_one()?;
            }
        }
        Ok(())
    }

    /// Sends the message of a move with this id, without waiting for its answer.
    ///
    /// # Errors
    /// See [`ChannelError`]; the channel cannot be used afterwards.
    pub(crate) fn post(
        &mut self,
        id: u16,
        target: Target,
        message: &[u8],
    ) -> Result<(), ChannelError> {
        self.link.send(message)?;
        self.under_way.push_back((id, target));
        Ok(())
    }

    /// Waits for the answers to all posted moves.
    ///
    /// # Errors
    /// See [`ChannelError`]; the channel cannot be used afterwards.
    pub(crate) fn settle(&mut self) -> Result<(), ChannelError> {
        if self.under_way.is_empty() {
            return Ok(());
        }
        self.settle_down_to(0)?;
        self.in_step()
    }

    fn settle_down_to(&mut self, count: usize) -> Result<(), ChannelError> {
        while self.under_way.len() > count {
            self.settle_one()?;
        }
        Ok(())
    }

    /// Waits for the answer to the oldest posted move.
    fn settle_one(&mut self) -> Result<(), ChannelError> {
        let Some((id, target)) = self.under_way.pop_front() else {
            return Ok(());
        };
        let Err(errno) = self.receive(|frame| acknowledged(frame, id))?? else {
            return Ok(());
        };
        self.accepted.remove(target);
        // The DMB was removed while the move was in progress, as if the move had come just before that.
        if errno != Errno::ENXIO {
            self.error = ErrorState::Error;
            self.late.get_or_insert(errno);
        }
        Ok(())
    }

    /// True if a complete message has arrived. Does not wait.
    fn has_answer(&mut self) -> Result<bool, ChannelError> {
        loop {
            let received = self.buffer.get(..self.filled).unwrap_or_default();
            let next = next_frame(received, &Limits::default())
                .map_err(|error| ChannelError::Nonsense(error.to_string()))?;
            if let Next::Frame(_) = next {
                return Ok(true);
            }
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            match self.link.receive_now(room)? {
                Some(0) => return Err(ChannelError::Closed),
                Some(count) => self.filled += count,
                None => return Ok(false),
            }
        }
    }

    /// Sends the message of a store with this id.
    ///
    /// # Errors
    /// See [`ChannelError`]; the channel cannot be used afterwards.
    pub(crate) fn store(&mut self, id: u16, message: &[u8]) -> Result<Answer<()>, ChannelError> {
        self.settle()?;
        self.link.send(message)?;
        let answer = self.receive(|frame| acknowledged(frame, id))??;
        self.in_step()?;
        Ok(answer)
    }

    /// Sends the two messages of a load, the first of which has this id. Returns the register.
    ///
    /// # Errors
    /// See [`ChannelError`]; the channel cannot be used afterwards.
    pub(crate) fn load(&mut self, id: u16, messages: &[u8]) -> Result<Answer<u64>, ChannelError> {
        self.settle()?;
        self.link.send(messages)?;
        let carried_out = self.receive(|frame| acknowledged(frame, id))??;
        let result = self.receive(|frame| register(frame, id.wrapping_add(1)))??;
        self.in_step()?;
        Ok(carried_out.and(result))
    }

    fn introduce(&mut self, ring: bool) -> Result<FunctionFacts, ChannelError> {
        // Without memory for a ring, the socket remains. A server that knows no ring may refuse descriptors.
        let ring = Some(Ring::new()).filter(|_| ring).and_then(Result::ok);
        match ring {
            Some(ring) => match self.agree(Some(ring)) {
                Err(ChannelError::Refused { .. }) => self.agree(None)?,
                agreed => agreed?,
            },
            None => self.agree(None)?,
        }
        let argsz = ROOM as u32 - 64;
        let info = Request::DeviceGetInfo { argsz };
        let clp = self.ask("DEVICE_GET_INFO", &info, |reply, body| match reply {
            Reply::DeviceInfo {
                info: DeviceInfo { capabilities, .. },
                ..
            } => Some(read_device_info(body, body.len() - capabilities.len())),
            _ => None,
        })?;
        let clp = clp.map_err(|error| ChannelError::Unusable(error.to_string()))?;
        let mut bars = [0; BARS];
        for (index, size) in (0..).zip(&mut bars) {
            *size = self.region(index)?.size;
        }
        if self.region(REGION_INDEX)?.size < ABI_LEN {
            return Err(ChannelError::Unusable(
                "it has no zPCI I/O region, expected one".into(),
            ));
        }
        Ok(FunctionFacts { clp, bars })
    }

    /// Exchanges VERSION with the server, with or without a ring.
    fn agree(&mut self, ring: Option<Ring>) -> Result<(), ChannelError> {
        let mut capabilities = serde_json::json!({ "posted_moves": true });
        if ring.is_some() {
            capabilities["ring"] = serde_json::json!({ "layout": LAYOUT });
        }
        let text = serde_json::json!({ "capabilities": capabilities }).to_string();
        let version = Request::Version(Version {
            major: 0,
            minor: 0,
            text: &text,
        });
        let read = |reply: Reply<'_>, _: &[u8]| match reply {
            Reply::Version(version) => Some((version.major, has_ring(version.text))),
            _ => None,
        };
        let (major, has_ring) = self.ask_with("VERSION", &version, ring.as_ref(), read)?;
        if major != 0 {
            let reason = format!("it speaks version {major} of vfio-user, expected 0");
            return Err(ChannelError::Nonsense(reason));
        }
        if let Some(ring) = ring.filter(|_| has_ring) {
            self.link.use_ring(ring);
        }
        Ok(())
    }

    fn region(&mut self, index: u32) -> Result<RegionInfo, ChannelError> {
        let argsz = ROOM as u32 - 64;
        let request = Request::DeviceGetRegionInfo { argsz, index };
        self.ask("DEVICE_GET_REGION_INFO", &request, |reply, _| match reply {
            Reply::RegionInfo { info, .. } => Some(info),
            _ => None,
        })
    }

    fn ask<T>(
        &mut self,
        what: &'static str,
        request: &Request<'_>,
        read: impl FnOnce(Reply<'_>, &[u8]) -> Option<T>,
    ) -> Result<T, ChannelError> {
        self.ask_with(what, request, None, read)
    }

    fn ask_with<T>(
        &mut self,
        what: &'static str,
        request: &Request<'_>,
        ring: Option<&Ring>,
        read: impl FnOnce(Reply<'_>, &[u8]) -> Option<T>,
    ) -> Result<T, ChannelError> {
        let id = self.take_ids(1);
        let mut message = Vec::new();
        request.encode(id, 0, &mut message);
        match ring {
            Some(ring) => self.link.offer(ring, &message)?,
            None => self.link.send(&message)?,
        }
        let answer = self.receive(|frame| {
            let (reply, body) = match reply(frame, id)? {
                Ok(reply) => (reply, frame.body),
                Err(errno) => return Err(ChannelError::Refused { what, errno }),
            };
            read(reply, body).ok_or_else(|| unexpected(frame))
        })??;
        self.in_step()?;
        Ok(answer)
    }

    /// Waits for one message.
    fn receive<T>(&mut self, read: impl FnOnce(&Frame<'_>) -> T) -> Result<T, ChannelError> {
        let patience = self.link.patience();
        let deadline = Instant::now() + patience;
        loop {
            let received = self.buffer.get(..self.filled).unwrap_or_default();
            let next = next_frame(received, &Limits::default())
                .map_err(|error| ChannelError::Nonsense(error.to_string()))?;
            match next {
                Next::Frame(frame) => {
                    let (result, total) = (read(&frame), frame.total);
                    self.buffer.copy_within(total..self.filled, 0);
                    self.filled -= total;
                    return Ok(result);
                }
                Next::NeedMore { at_least } if at_least > ROOM => {
                    let reason = format!("{at_least} bytes, expected at most {ROOM}");
                    return Err(ChannelError::Nonsense(reason));
                }
                Next::NeedMore { .. } => {}
            }
            if Instant::now() > deadline {
                return Err(ChannelError::Silent(patience));
            }
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            match self.link.receive(room)? {
                0 => return Err(ChannelError::Closed),
                count => self.filled += count,
            }
        }
    }

    /// Checks that every answer has been read, and that nothing else came.
    fn in_step(&self) -> Result<(), ChannelError> {
        match self.filled {
            0 => Ok(()),
            more => Err(ChannelError::Nonsense(format!(
                "{more} bytes more than the request asked for"
            ))),
        }
    }
}

/// True if the server's capabilities say that it uses the ring.
fn has_ring(text: &str) -> bool {
    let answer: Value = serde_json::from_str(text).unwrap_or_default();
    answer["capabilities"]["ring"]["layout"] == LAYOUT
}

fn reply<'a>(frame: &Frame<'a>, id: u16) -> Result<Answer<Reply<'a>>, ChannelError> {
    let header = &frame.header;
    if header.message_id != id {
        let got = header.message_id;
        let reason = format!("it answers message {got}, expected {id}");
        return Err(ChannelError::Nonsense(reason));
    }
    match Reply::decode(header, frame.body) {
        Ok(reply) => Ok(Ok(reply)),
        Err(refused) if header.is_error() => Ok(Err(refused.errno)),
        Err(refused) => Err(ChannelError::Nonsense(refused.reason.to_string())),
    }
}

fn acknowledged(frame: &Frame<'_>, id: u16) -> Result<Answer<()>, ChannelError> {
    match reply(frame, id)? {
        Ok(Reply::RegionWrite(_)) => Ok(Ok(())),
        Ok(_) => Err(unexpected(frame)),
        Err(errno) => Ok(Err(errno)),
    }
}

fn register(frame: &Frame<'_>, id: u16) -> Result<Answer<u64>, ChannelError> {
    match reply(frame, id)? {
        Ok(Reply::RegionRead { data, .. }) => <[u8; 8]>::try_from(data)
            .map(|image| Ok(u64::from_be_bytes(image)))
            .map_err(|_| ChannelError::Nonsense(format!("a register of {} bytes", data.len()))),
        Ok(_) => Err(unexpected(frame)),
        Err(errno) => Ok(Err(errno)),
    }
}

fn unexpected(frame: &Frame<'_>) -> ChannelError {
    ChannelError::Nonsense(format!("a reply to {}", frame.header.name()))
}

#[cfg(test)]
mod tests;
