//! A client of the protocol, with a method for each request.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use crate::errno::EBUSY;
use crate::memory::{Eventfd, Ram};
use crate::patience::eventually;
use crate::ring::{self, Ring};
use crate::wire::{Bytes, Message, NO_REPLY, Wire, message};

/// Command numbers of the protocol.
#[allow(missing_docs, reason = "named as in the protocol document")]
pub mod command {
    pub const VERSION: u16 = 1;
    pub const DMA_MAP: u16 = 2;
    pub const DMA_UNMAP: u16 = 3;
    pub const GET_INFO: u16 = 4;
    pub const GET_REGION_INFO: u16 = 5;
    pub const GET_REGION_IO_FDS: u16 = 6;
    pub const GET_IRQ_INFO: u16 = 7;
    pub const SET_IRQS: u16 = 8;
    pub const REGION_READ: u16 = 9;
    pub const REGION_WRITE: u16 = 10;
    pub const DMA_READ: u16 = 11;
    pub const DMA_WRITE: u16 = 12;
    pub const RESET: u16 = 13;
    pub const WRITE_MULTI: u16 = 15;
    pub const FEATURE: u16 = 16;
}

/// Index of configuration space among the regions.
pub const CONFIG: u32 = 7;
/// Index of the zPCI I/O region among the regions.
pub const ZPCI: u32 = 9;
/// Interrupt indexes, and flags of DEVICE_SET_IRQS: one kind of data and one action.
#[allow(missing_docs, reason = "named as in linux/vfio.h")]
pub mod irq {
    pub const MSI: u32 = 1;
    pub const MSIX: u32 = 2;
    pub const NONE: u32 = 1;
    pub const BOOL: u32 = 2;
    pub const EVENTFD: u32 = 4;
    pub const MASK: u32 = 8;
    pub const UNMASK: u32 = 16;
    pub const TRIGGER: u32 = 32;
}

/// The capabilities that QEMU 11.1 proposes.
pub const QEMU: &str = r#"{"capabilities":{"pgsizes":4096,"max_msg_fds":16,"max_dma_maps":65535,"max_data_xfer_size":1048576,"migration":{"max_bitmap_size":268435456,"pgsize":4096},"write_multiple":true}}"#;

/// A client of one server.
#[derive(Debug)]
pub struct Client {
    /// The connection, for tests that send invalid bytes.
    pub wire: Wire,
    next_id: u16,
    inbox: VecDeque<Message>,
}

/// Builds the body of a VERSION request.
pub fn version(major: u16, minor: u16, text: &str) -> Vec<u8> {
    let body = Bytes::new().u16(major).u16(minor).raw(text.as_bytes()).0;
    if text.is_empty() {
        body
    } else {
        Bytes(body).raw(&[0]).0
    }
}

/// Builds the body of a DMA_MAP request, readable and writable.
pub fn dma_map(iova: u64, size: u64, offset: u64) -> Vec<u8> {
    Bytes::new()
        .u32(32)
        .u32(3)
        .u64(offset)
        .u64(iova)
        .u64(size)
        .0
}

/// Builds the body of a DMA_UNMAP request.
pub fn dma_unmap(flags: u32, iova: u64, size: u64) -> Vec<u8> {
    Bytes::new().u32(24).u32(flags).u64(iova).u64(size).0
}

/// Builds the body of a REGION_READ, with which a REGION_WRITE also begins.
pub fn access(region: u32, offset: u64, count: u32) -> Bytes {
    Bytes::new().u64(offset).u32(region).u32(count)
}

/// Builds the body of a REGION_WRITE.
pub fn region_write(region: u32, offset: u64, data: &[u8]) -> Vec<u8> {
    access(region, offset, data.len() as u32).raw(data).0
}

/// Builds the body of a REGION_WRITE_MULTI from region, offset and at most 8 bytes of each write.
pub fn write_multi(writes: &[(u32, u64, &[u8])]) -> Vec<u8> {
    let start = Bytes::new().u64(writes.len() as u64);
    let body = writes.iter().fold(start, |body, (region, offset, data)| {
        let mut padded = [0; 8];
        padded[..data.len()].copy_from_slice(data);
        body.raw(&access(*region, *offset, data.len() as u32).0)
            .raw(&padded)
    });
    body.0
}

/// Builds the body of a DEVICE_SET_IRQS request; `bools` is empty unless the data are booleans.
pub fn set_irqs(flags: u32, index: u32, start: u32, count: u32, bools: &[u8]) -> Vec<u8> {
    let size = 20 + bools.len() as u32;
    Bytes::new()
        .u32(size)
        .u32(flags)
        .u32(index)
        .u32(start)
        .u32(count)
        .raw(bools)
        .0
}

impl Client {
    /// Connects without a message.
    pub fn connect(path: &Path) -> Self {
        Self::new(Wire::connect(path))
    }

    /// Uses an open connection.
    pub fn new(wire: Wire) -> Self {
        Self {
            wire,
            next_id: 0x100,
            inbox: VecDeque::new(),
        }
    }

    /// Connects and exchanges VERSION like QEMU, as soon as the server has forgotten the last client.
    #[track_caller]
    pub fn open(path: &Path) -> Self {
        Self::enter(path, QEMU, &[]).0
    }

    /// Connects to an instruction channel as soon as the server has forgotten its last client, and makes the
    /// messages go through a ring.
    #[track_caller]
    pub fn open_ring(path: &Path) -> Self {
        let ring = Ring::new();
        let (mut client, answer) = Self::enter(path, ring::PROPOSAL, &ring.fds());
        let text = String::from_utf8(answer.body).unwrap();
        assert!(text.contains(r#""ring":{"layout":1}"#), "{text}");
        client.wire.ring = Some(ring);
        client
    }

    /// Connects and proposes `capabilities`, until the server no longer says that the place is taken. It says so
    /// by EBUSY, or closes the connection if it refuses several clients. Returns the accepting answer, too.
    ///
    /// A client that was dropped may still have the place: a process that another thread starts holds its
    /// socket until it executes its program.
    #[track_caller]
    pub fn enter(path: &Path, capabilities: &str, fds: &[BorrowedFd<'_>]) -> (Self, Message) {
        eventually("the place is free", || {
            let mut client = Self::connect(path);
            let id = client.take_id();
            let proposal = message(id, command::VERSION, 0, &version(0, 0, capabilities));
            match client.wire.try_send_with_fds(&proposal, fds) {
                Err(rustix::io::Errno::PIPE) => return None,
                sent => assert_eq!(sent, Ok(proposal.len())),
            }
            let answer = client.wire.receive()?;
            assert_eq!((answer.id, answer.command), (id, command::VERSION));
            match answer.errno() {
                None => Some((client, answer)),
                Some(errno) => {
                    assert_eq!(errno, EBUSY, "VERSION is refused");
                    None
                }
            }
        })
    }

    /// Sends a command without waiting. Returns its id.
    pub fn send(&mut self, number: u16, flags: u32, body: impl AsRef<[u8]>) -> u16 {
        let id = self.take_id();
        self.wire.send(&message(id, number, flags, body.as_ref()));
        id
    }

    fn take_id(&mut self) -> u16 {
        self.next_id = self.next_id.wrapping_add(1);
        self.next_id
    }

    /// Returns the next message from the server: the oldest one put aside, or one from the socket.
    pub fn receive(&mut self) -> Message {
        let put_aside = self.inbox.pop_front();
        put_aside.unwrap_or_else(|| self.wire.receive().expect("the server hung up"))
    }

    /// Waits for the reply to `id`. Puts commands of the server that come before it aside.
    #[track_caller]
    pub fn reply_to(&mut self, id: u16) -> Message {
        loop {
            let message = self.wire.receive().expect("the server hung up");
            if message.is_reply() {
                assert_eq!(message.id, id, "a reply out of order: {message:?}");
                return message;
            }
            self.inbox.push_back(message);
        }
    }

    /// Waits for a command of the server (returns true), or until `other` is readable.
    #[track_caller]
    pub fn wait_for_command_or(&self, other: impl AsFd) -> bool {
        !self.inbox.is_empty() || self.wire.wait_for_bytes_or(other)
    }

    /// Returns commands of the server that came before an awaited reply.
    pub fn put_aside(&mut self) -> Vec<Message> {
        self.inbox.drain(..).collect()
    }

    /// Sends a command and waits for its reply.
    pub fn request(&mut self, number: u16, body: impl AsRef<[u8]>) -> Message {
        self.request_with(number, body, &[])
    }

    /// Sends a command with descriptors and waits for its reply.
    #[track_caller]
    pub fn request_with(
        &mut self,
        number: u16,
        body: impl AsRef<[u8]>,
        fds: &[BorrowedFd<'_>],
    ) -> Message {
        let id = self.take_id();
        self.wire
            .send_with_fds(&message(id, number, 0, body.as_ref()), fds);
        let reply = self.reply_to(id);
        assert_eq!(reply.command, number);
        reply
    }

    /// Answers a command of the server.
    pub fn answer(&mut self, command: &Message, body: &[u8]) {
        self.wire
            .send(&message(command.id, command.command, 1, body));
    }

    /// Maps `size` bytes of `ram` from `offset` at `iova`.
    pub fn map(&mut self, iova: u64, size: u64, ram: &Ram, offset: u64) -> Message {
        self.request_with(
            command::DMA_MAP,
            dma_map(iova, size, offset),
            &[ram.as_fd()],
        )
    }

    /// Maps memory without a descriptor.
    pub fn map_without_fd(&mut self, iova: u64, size: u64) -> Message {
        self.request(command::DMA_MAP, dma_map(iova, size, 0))
    }

    /// Unmaps a range of memory.
    pub fn unmap(&mut self, iova: u64, size: u64) -> Message {
        self.request(command::DMA_UNMAP, dma_unmap(0, iova, size))
    }

    /// Reads bytes of a region.
    pub fn read(&mut self, region: u32, offset: u64, count: u32) -> Message {
        self.request(command::REGION_READ, access(region, offset, count))
    }

    /// Writes bytes of a region and waits for the reply.
    pub fn write(&mut self, region: u32, offset: u64, data: &[u8]) -> Message {
        self.request(command::REGION_WRITE, region_write(region, offset, data))
    }

    /// Writes bytes of a region without a reply, as QEMU writes BARs.
    pub fn post(&mut self, region: u32, offset: u64, data: &[u8]) {
        self.send(
            command::REGION_WRITE,
            NO_REPLY,
            region_write(region, offset, data),
        );
    }

    /// Sends several writes in one message.
    pub fn write_multi(&mut self, writes: &[(u32, u64, &[u8])]) -> Message {
        self.request(command::WRITE_MULTI, write_multi(writes))
    }

    /// Resets the device.
    pub fn reset(&mut self) {
        self.request(command::RESET, []).ok();
    }

    /// Assigns a new eventfd to the first vector of an index.
    pub fn eventfd(&mut self, index: u32) -> Eventfd {
        let eventfd = Eventfd::new();
        let body = set_irqs(irq::EVENTFD | irq::TRIGGER, index, 0, 1, &[]);
        self.request_with(command::SET_IRQS, body, &[eventfd.as_fd()])
            .ok();
        eventfd
    }
}
