//! A client that lends memory without a descriptor, and answers DMA_READ and DMA_WRITE itself.

use crate::client::{Client, command};
use crate::daemon::Daemon;
use crate::driver::{FIRST_INDEX, code, dmb, header};
use crate::memory::Eventfd;
use crate::wire::{Bytes, Message, u32_at, u64_at};

/// First address of the lent memory.
pub const IOVA: u64 = 0x1_0000_0000;
/// Bytes of the lent memory: one page each for the SBA, a buffer and an event queue.
pub const LEN: u64 = 0x3000;
/// Address of the page of summary bits.
pub const SBA: u64 = IOVA;
/// Address of the buffer.
pub const BUFFER: u64 = IOVA + 0x1000;
/// Address of the event queue.
pub const QUEUE: u64 = IOVA + 0x2000;

const EINVAL: u32 = 22;
const E2BIG: u32 = 7;

/// The client's layout of DMA_READ and DMA_WRITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// u64 count, data at byte 16: the protocol document, and QEMU 11.
    Wide,
    /// u32 count, data at byte 12.
    Narrow,
    /// Like `Narrow`, in a structure that ends with 4 bytes of padding: QEMU 10.1 and 10.2, by their source
    /// (`VFIOUserDMARW`). The sizes of messages include the padding.
    Padded,
}

/// A client that keeps the lent memory itself.
#[derive(Debug)]
pub struct Lender {
    /// The client that lends the memory.
    pub client: Client,
    /// The memory that is lent at [`IOVA`].
    pub memory: Vec<u8>,
    layout: Layout,
    /// Data bytes of the largest message from the server.
    pub largest: usize,
}

impl Lender {
    /// Connects a client to the only function, and lends its memory in one map.
    pub fn new(daemon: &Daemon, layout: Layout) -> Self {
        Self::over(daemon.client(), layout)
    }

    /// Lends memory in one map, over an open client.
    pub fn over(mut client: Client, layout: Layout) -> Self {
        client.map_without_fd(IOVA, LEN).ok();
        Self::with_maps(client, layout)
    }

    /// Lends memory in one map for each page, over an open client.
    pub fn in_pages(mut client: Client, layout: Layout) -> Self {
        for iova in [SBA, BUFFER, QUEUE] {
            client.map_without_fd(iova, 0x1000).ok();
        }
        Self::with_maps(client, layout)
    }

    /// Uses an open client that has already lent its memory.
    pub fn with_maps(client: Client, layout: Layout) -> Self {
        let memory = vec![0; LEN as usize];
        Self {
            client,
            memory,
            layout,
            largest: 0,
        }
    }

    /// Posts payload and header of a command. Returns the header of the response.
    pub fn run(&mut self, code: u32, payload: &[u8]) -> Vec<u8> {
        if !payload.is_empty() {
            self.client.post(2, 8, payload);
        }
        self.client
            .post(2, 0, &header(code, 8 + payload.len() as u16));
        self.client.read(2, 0, 16).data()
    }

    /// Returns the function's GID.
    pub fn gid(&mut self) -> u64 {
        let gid = self.run(code::READ_GID, &[]);
        u64::from_be_bytes(gid[8..].try_into().unwrap())
    }

    /// Registers an SBA and a buffer of one page for the function itself. Returns the token.
    pub fn register(&mut self) -> u64 {
        let gid = self.gid();
        self.register_for(gid)
    }

    /// Registers an SBA and a buffer of one page for the function with this GID. Returns the token.
    #[track_caller]
    pub fn register_for(&mut self, gid: u64) -> u64 {
        self.run(code::REG_SBA, &SBA.to_be_bytes());
        let response = self.run(code::REG_DMB, &dmb(BUFFER, 4096, FIRST_INDEX, gid));
        assert_eq!(response[4..6], [0, 0]);
        u64::from_be_bytes(response[8..].try_into().unwrap())
    }

    /// Answers one command of the server like QEMU.
    pub fn serve(&mut self, message: &Message) {
        let body = &message.body;
        let iova = u64_at(body, 0);
        let at = (iova - IOVA) as usize;
        let (count, front) = match self.layout {
            Layout::Wide => (u64_at(body, 8) as usize, 16),
            Layout::Narrow | Layout::Padded => (u32_at(body, 8) as usize, 12),
        };
        let padding = usize::from(self.layout == Layout::Padded) * 4;
        match message.command {
            command::DMA_READ => {
                if body.len() < front + padding {
                    return self.refuse(message, EINVAL);
                }
                self.largest = self.largest.max(count);
                let mut answer = body[..16].to_vec();
                answer.resize(front + padding + count, 0);
                answer[front..front + count].copy_from_slice(&self.memory[at..at + count]);
                self.client.answer(message, &answer);
            }
            command::DMA_WRITE => {
                let room = body.len().saturating_sub(front + padding);
                if count > room || (count < room && self.layout != Layout::Padded) {
                    return self.refuse(message, E2BIG);
                }
                self.largest = self.largest.max(count);
                let data = &body[front..front + count];
                self.memory[at..at + count].copy_from_slice(data);
                match self.layout {
                    Layout::Wide => self.client.answer(message, &body[..12]),
                    Layout::Narrow | Layout::Padded => self.client.answer(message, &[]),
                }
            }
            other => panic!("command {other} of the server"),
        }
    }

    /// Refuses a command of the server with an errno.
    pub fn refuse(&mut self, message: &Message, errno: u32) {
        let header = Bytes::new().u16(message.id).u16(message.command);
        let error = header.u32(16).u32(0x21).u32(errno);
        self.client.wire.send(&error.0);
    }

    /// Answers the server's commands until `eventfd` is signalled.
    #[track_caller]
    pub fn serve_until(&mut self, eventfd: &Eventfd) {
        while eventfd.take() == 0 {
            // Either a command has arrived, or the interrupt comes.
            if self.client.wait_for_command_or(eventfd) {
                let message = self.client.receive();
                self.serve(&message);
            }
        }
    }

    /// Returns the commands that the server has sent. Its next command follows at most one reply later, so an
    /// empty list means that no more follow.
    pub fn asked(&mut self) -> Vec<Message> {
        for _ in 0..2 {
            self.client.read(7, 0, 4).ok();
        }
        self.client.put_aside()
    }

    /// Answers the server's commands until there are no more.
    pub fn serve_all(&mut self) -> Vec<Message> {
        let mut served = Vec::new();
        loop {
            let asked = self.asked();
            if asked.is_empty() {
                return served;
            }
            for message in asked {
                self.serve(&message);
                served.push(message);
            }
        }
    }
}
