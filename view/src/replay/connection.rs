//! One client's socket.

use std::collections::HashMap;
use std::io::{Error, ErrorKind, IoSlice, Read, Result};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::event::EventfdFlags;
use rustix::fs::MemfdFlags;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use vfio_user_capture::{Descriptor, DescriptorKind};
use vfio_user_protocol::header::Command;
use vfio_user_protocol::{HEADER_LEN, Header};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest message that is received.
const MOST: usize = 1 << 21;
/// Descriptors of one message.
const MOST_FDS: usize = 16;
/// A request that changes nothing and that every client may send.
const HARMLESS: Command = Command::DeviceGetInfo;
/// Bytes of its body.
const HARMLESS_LEN: u32 = 16;

/// A connection, and what is under way on it.
#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    /// Numbers of the server's commands: recorded ones and those of now.
    ids: HashMap<u16, u16>,
    /// The last message wanted no answer.
    unanswered: bool,
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
        if let Some(head) = message.first_chunk_mut::<HEADER_LEN>() {
            let mut header = Header::decode(head);
            self.unanswered = header.no_reply();
            if header.flags & 1 == 1
                && let Some(id) = self.ids.remove(&header.message_id)
            {
                header.message_id = id;
                *head = header.encode();
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
            sent += rustix::net::sendmsg(&self.stream, &part, &mut control, SendFlags::NOSIGNAL)?;
        }
        Ok(())
    }

    /// Receives the message that takes the place of a recorded one.
    pub(super) fn receive(&mut self, recorded: &[u8]) -> Result<Vec<u8>> {
        let message = self.message()?;
        let ids = |bytes: &[u8]| {
            let header = Header::decode(bytes.first_chunk()?);
            (header.flags & 1 == 0).then_some(header.message_id)
        };
        if let (Some(before), Some(now)) = (ids(recorded), ids(&message)) {
            self.ids.insert(before, now);
        }
        Ok(message)
    }

    fn message(&mut self) -> Result<Vec<u8>> {
        let mut message = vec![0; HEADER_LEN];
        self.fill(&mut message)?;
        let size = message
            .first_chunk()
            .map_or(0, |head| Header::decode(head).message_size);
        let size = size as usize;
        if !(HEADER_LEN..=MOST).contains(&size) {
            let told = format!("the server sent a message of {size} bytes");
            return Err(Error::new(ErrorKind::InvalidData, told));
        }
        message.resize(size, 0);
        self.fill(&mut message[HEADER_LEN..])?;
        Ok(message)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.stream
            .read_exact(bytes)
            .map_err(|error| match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                    Error::new(ErrorKind::TimedOut, "the server does not answer")
                }
                ErrorKind::UnexpectedEof => {
                    Error::new(ErrorKind::UnexpectedEof, "the server hung up")
                }
                _ => error,
            })
    }

    /// Waits until messages that want no answer are carried out: the server answers in order.
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

/// Memory and files that take the place of recorded ones, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Files(HashMap<u64, OwnedFd>);

impl Files {
    /// A descriptor like a recorded one: of the same file as others with its number.
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
