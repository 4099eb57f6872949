//! A client's end of a connection: sends, receives, and answers the server's messages.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::io::Interest;
use tokio::net::UnixStream;

use vfio_user_ism_server::hub::ClientKind;

use super::lent::{Kind, Lent};
use super::message::{
    DMA_READ, DMA_WRITE, ERROR, GET_INFO, REPLY, message, u16_at, u32_at, u64_at, words,
};
use super::model::Model;
use super::script::{Answers, Habits};

/// Longest time to wait for a reply.
const PATIENCE: Duration = Duration::from_secs(20);
const FAREWELL: u16 = 0xfa7e;

/// The client's end of a connection.
#[derive(Debug)]
pub(super) struct Client {
    stream: UnixStream,
    habits: Habits,
    pub model: Model,
    out: VecDeque<(Vec<u8>, Vec<Kind>)>,
    received: Vec<u8>,
    ended: bool,
    farewell: bool,
    /// Number of the server's messages that were answered.
    answered: u8,
}

impl Client {
    pub(super) fn new(stream: UnixStream, habits: Habits, kind: ClientKind) -> Self {
        Self {
            stream,
            habits,
            model: Model::new(kind),
            out: VecDeque::new(),
            received: Vec::new(),
            ended: false,
            farewell: false,
            answered: 0,
        }
    }

    /// Sends bytes with descriptors, and takes what has arrived meanwhile.
    pub(super) async fn say(&mut self, bytes: Vec<u8>, lend: Vec<Kind>, lent: &Lent) {
        if !bytes.is_empty() {
            self.out.push_back((bytes, lend));
        }
        self.flush(lent).await;
    }

    /// Waits for every reply that is due.
    pub(super) async fn wait(&mut self, lent: &Lent) {
        loop {
            self.flush(lent).await;
            if self.ended || !self.model.waits() {
                return;
            }
            let ready = tokio::time::timeout(PATIENCE, self.stream.readable()).await;
            ready
                .unwrap_or_else(|_| panic!("no reply: {:?}", self.model))
                .expect("a socket");
            self.receive();
        }
    }

    /// Waits for every reply, sends one more request, and ends the stream.
    pub(super) async fn farewell(&mut self, lent: &Lent) {
        self.wait(lent).await;
        if self.model.is_idle() && !self.ended {
            self.farewell = true;
            let info = message(FAREWELL, GET_INFO, 0, &words(&[16, 0, 0, 0]));
            self.say(info, Vec::new(), lent).await;
            self.wait(lent).await;
            assert!(
                !self.farewell || self.model.may_end(),
                "no answer to the last request"
            );
        }
        let _ = rustix::net::shutdown(&self.stream, rustix::net::Shutdown::Write);
        while !self.ended {
            let ready = tokio::time::timeout(PATIENCE, self.stream.readable()).await;
            ready.expect("the server ends, too").expect("a socket");
            self.receive();
        }
    }

    async fn flush(&mut self, lent: &Lent) {
        self.receive();
        while let Some((bytes, lend)) = self.out.front()
            && !self.ended
        {
            match self
                .stream
                .try_io(Interest::WRITABLE, || send(&self.stream, bytes, lend, lent))
            {
                Ok(sent) => {
                    self.model.sent(&bytes[..sent], lend.len());
                    if let Some((bytes, lend)) = self.out.front_mut() {
                        bytes.drain(..sent);
                        lend.clear();
                        if bytes.is_empty() {
                            self.out.pop_front();
                        }
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let ready = self.stream.ready(Interest::READABLE | Interest::WRITABLE);
                    let ready = tokio::time::timeout(PATIENCE, ready).await;
                    ready
                        .expect("the server reads or writes")
                        .expect("a socket");
                }
                // The server has closed the connection. Its earlier messages can still be read.
                Err(_) => self.out.clear(),
            }
            self.receive();
        }
    }

    /// Takes the bytes that have arrived.
    fn receive(&mut self) {
        let mut bytes = [0; 1 << 14];
        while !self.ended {
            match self.stream.try_read(&mut bytes) {
                Ok(got @ 1..) => self.received.extend(&bytes[..got]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Ok(0) | Err(_) => self.ended = true,
            }
        }
        while self.received.len() >= 16 {
            let size = u32_at(&self.received, 4) as usize;
            assert!(
                (16..=(1 << 20) + 64).contains(&size),
                "a message of {size} bytes"
            );
            if self.received.len() < size {
                break;
            }
            let message: Vec<u8> = self.received.drain(..size).collect();
            self.take(&message);
        }
        if self.ended {
            assert!(self.received.is_empty(), "the stream ends inside a message");
            self.out.clear();
        }
    }

    fn take(&mut self, message: &[u8]) {
        if u32_at(message, 8) & 0xf == REPLY {
            self.model.replied(message);
            if self.farewell && u16_at(message, 0) == FAREWELL {
                assert!(message.len() >= 32, "the device tells of itself");
                self.farewell = false;
            }
            return;
        }
        if let Some(reply) = answer(message, self.habits.answers, self.answered) {
            self.out.push_back((reply, Vec::new()));
        }
        self.answered = self.answered.wrapping_add(1);
    }
}

/// Builds the reply to a message of the server, which may only ask for memory.
fn answer(asked: &[u8], answers: Answers, count: u8) -> Option<Vec<u8>> {
    let (id, command) = (u16_at(asked, 0), u16_at(asked, 2));
    assert_eq!(u32_at(asked, 8), 0, "flags of the server's own message");
    assert!(
        command == DMA_READ || command == DMA_WRITE,
        "the server sent command {command}"
    );
    let (iova, len) = (u64_at(asked, 16), u32_at(asked, 24));
    let mut body = [&iova.to_ne_bytes()[..], &u64::from(len).to_ne_bytes()].concat();
    if answers == Answers::Narrow {
        body.truncate(12);
    }
    if command == DMA_READ {
        body.resize(body.len() + len as usize, count);
    }
    match answers {
        Answers::Wide | Answers::Narrow => {}
        Answers::Mixed if count % 4 == 1 => body.truncate(usize::from(count) % 16),
        Answers::Mixed if count % 4 == 2 => {
            let mut refusal = message(id, command, REPLY | ERROR, &[]);
            refusal[12..].copy_from_slice(&14_u32.to_ne_bytes());
            return Some(refusal);
        }
        Answers::Mixed => {}
        Answers::Never => return None,
    }
    Some(message(id, command, REPLY, &body))
}

fn send(stream: &UnixStream, bytes: &[u8], lend: &[Kind], lent: &Lent) -> std::io::Result<usize> {
    let fds: Vec<_> = lend.iter().map(|kind| lent.get(*kind)).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    Ok(sendmsg(
        stream,
        &[IoSlice::new(bytes)],
        &mut control,
        flags,
    )?)
}
