//! One client's socket.

use std::collections::HashMap;
use std::io::{Error, ErrorKind, IoSlice, IoSliceMut, Read, Result};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::event::EventfdFlags;
use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use vfio_user_capture::{Descriptor, DescriptorKind};
use vfio_user_protocol::header::Command;
use vfio_user_protocol::{HEADER_LEN, Header};

/// Longest time to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest accepted message.
const MOST: usize = 1 << 21;
/// Most descriptors of one message.
const MOST_FDS: usize = 16;
/// A request that changes nothing and that every client may send.
const HARMLESS: Command = Command::DeviceGetInfo;
/// Bytes of the body of that request.
const HARMLESS_LEN: u32 = 16;

/// A connection, and the messages on their way.
#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    /// Numbers of the server's commands: from the recorded number to the present one.
    ids: HashMap<u16, u16>,
    /// Whether the last message wanted no answer.
    unanswered: bool,
    /// The socket for the server's commands and the replies to them, if the server gave one.
    twin: Option<UnixStream>,
}

impl Connection {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            ids: HashMap::new(),
            unanswered: false,
            twin: None,
        })
    }

    /// Sends a recorded message, with new descriptors of the recorded kinds and sizes.
    pub(super) fn send(
        &mut self,
        message: &[u8],
        descriptors: &[Descriptor],
        files: &mut Files,
    ) -> Result<()> {
        let mut message = message.to_vec();
        let mut to = &self.stream;
        if let Some(head) = message.first_chunk_mut::<HEADER_LEN>() {
            let mut header = Header::decode(head);
            self.unanswered = header.no_reply();
            if header.flags & 1 == 1 {
                to = self.twin.as_ref().unwrap_or(to);
                if let Some(id) = self.ids.remove(&header.message_id) {
                    header.message_id = id;
                    *head = header.encode();
                }
            }
        }
        let fds = descriptors.iter().take(MOST_FDS).map(|one| files.made(one));
        let fds = fds.collect::<Result<Vec<OwnedFd>>>()?;
        let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FDS))];
        let mut sent = 0;
        while sent < message.len() {
            let mut control = SendAncillaryBuffer::new(&mut space);
            if sent == 0 && !borrowed.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(&borrowed));
            }
            let part = [IoSlice::new(&message[sent..])];
            sent += rustix::net::sendmsg(to, &part, &mut control, SendFlags::NOSIGNAL)?;
        }
        Ok(())
    }

    /// Receives the message that corresponds to a recorded one.
    pub(super) fn receive(&mut self, recorded: &[u8]) -> Result<Vec<u8>> {
        let command = recorded
            .first_chunk()
            .is_some_and(|head| Header::decode(head).flags & 1 == 0);
        let message = match &self.twin {
            Some(twin) if command => message(twin, &mut Vec::new())?,
            _ => self.message()?,
        };
        let ids = |bytes: &[u8]| {
            let header = Header::decode(bytes.first_chunk()?);
            (header.flags & 1 == 0).then_some(header.message_id)
        };
        if let (Some(before), Some(now)) = (ids(recorded), ids(&message)) {
            self.ids.insert(before, now);
        }
        Ok(message)
    }

    /// A message on the client's main socket. If a descriptor comes with it, that is the twin socket.
    fn message(&mut self) -> Result<Vec<u8>> {
        let mut fds = Vec::new();
        let message = message(&self.stream, &mut fds)?;
        if let Some(fd) = fds.into_iter().next() {
            let twin = UnixStream::from(fd);
            twin.set_read_timeout(Some(PATIENCE))?;
            twin.set_write_timeout(Some(PATIENCE))?;
            self.twin = Some(twin);
        }
        Ok(message)
    }

    /// Waits until the server has carried out messages without an answer. The server answers in order.
    pub(super) fn settle(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.unanswered) {
            return Ok(());
        }
        let size = HEADER_LEN as u32 + HARMLESS_LEN;
        let header = Header::command(0xffff, HARMLESS, size);
        let mut message = header.encode().to_vec();
        for word in [HARMLESS_LEN, 0, 0, 0] {
            message.extend(word.to_ne_bytes());
        }
        self.send(&message, &[], &mut Files::default())?;
        self.message().map(drop)
    }

    /// Ends the connection and waits until the server has seen it.
    pub(super) fn leave(mut self) {
        let _ = self.settle();
        let _ = self.stream.shutdown(Shutdown::Write);
        let _ = self.stream.read_to_end(&mut Vec::new());
    }
}

/// A whole message from a socket, and its descriptors.
fn message(stream: &UnixStream, fds: &mut Vec<OwnedFd>) -> Result<Vec<u8>> {
    let mut message = vec![0; HEADER_LEN];
    fill(stream, &mut message, fds)?;
    let size = message
        .first_chunk()
        .map_or(0, |head| Header::decode(head).message_size);
    let size = size as usize;
    if !(HEADER_LEN..=MOST).contains(&size) {
        let told = format!("the server sent a message of {size} bytes");
        return Err(Error::new(ErrorKind::InvalidData, told));
    }
    message.resize(size, 0);
    fill(stream, &mut message[HEADER_LEN..], fds)?;
    Ok(message)
}

fn fill(stream: &UnixStream, mut bytes: &mut [u8], fds: &mut Vec<OwnedFd>) -> Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FDS))];
    while !bytes.is_empty() {
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut part = [IoSliceMut::new(bytes)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let got = match rustix::net::recvmsg(stream, &mut part, &mut control, flags) {
            Ok(received) => received.bytes,
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN | Errno::TIMEDOUT) => {
                return Err(Error::new(
                    ErrorKind::TimedOut,
                    "the server does not answer",
                ));
            }
            Err(error) => return Err(error.into()),
        };
        if got == 0 {
            return Err(Error::new(ErrorKind::UnexpectedEof, "the server hung up"));
        }
        for one in control.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = one {
                fds.extend(received);
            }
        }
        bytes = &mut bytes[got..];
    }
    Ok(())
}

/// Memory and files in place of the recorded ones, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Files(HashMap<u64, OwnedFd>);

impl Files {
    /// A descriptor like a recorded one. Descriptors with the same number share a file.
    fn made(&mut self, descriptor: &Descriptor) -> Result<OwnedFd> {
        Ok(match descriptor.kind {
            DescriptorKind::Event => rustix::event::eventfd(0, EventfdFlags::CLOEXEC)?,
            DescriptorKind::Socket => UnixStream::pair()?.0.into(),
            DescriptorKind::Pipe => std::io::pipe()?.0.into(),
            DescriptorKind::Memory | DescriptorKind::File => {
                if let Some(file) = self.0.get(&descriptor.file) {
                    return file.try_clone();
                }
                let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
                let memory = rustix::fs::memfd_create(c"replay", flags)?;
                rustix::fs::ftruncate(&memory, descriptor.size)?;
                self.0.insert(descriptor.file, memory.try_clone()?);
                memory
            }
            DescriptorKind::Other => std::fs::File::open("/dev/null")?.into(),
        })
    }
}
