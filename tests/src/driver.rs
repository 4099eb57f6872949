//! An ISM driver: stores and loads by several paths, commands, buffers, moves.
//!
//! Layouts and order follow Linux `drivers/s390/net/ism.h` and `ism_drv.c`; all numbers are big-endian.

use std::path::{Path, PathBuf};

use crate::client::{Client, ZPCI, access, command, irq::MSI, region_write};
use crate::memory::{Eventfd, Ram};
use crate::wire::{Bytes, Message, message};

/// First address of the driver's memory.
pub const IOVA: u64 = 0x1_0000_0000;
/// Bytes of the driver's memory.
pub const RAM_LEN: u64 = 4 << 20;
/// Offset of the SBA in the driver's memory.
pub const SBA: u64 = 0;
/// Offset of the event queue in the driver's memory.
pub const IEQ: u64 = 0x1000;
/// Offset of the buffers in the driver's memory, on a MiB boundary.
pub const DMB: u64 = 0x10_0000;
/// The first SBA index for DMBs.
pub const FIRST_INDEX: u32 = 32;

/// Command codes of ISM.
#[allow(missing_docs, reason = "named as in the driver")]
pub mod code {
    pub const REG_SBA: u32 = 0x01;
    pub const REG_IEQ: u32 = 0x02;
    pub const READ_GID: u32 = 0x03;
    pub const ADD_VLAN_ID: u32 = 0x04;
    pub const DEL_VLAN_ID: u32 = 0x05;
    pub const SET_VLAN: u32 = 0x06;
    pub const RESET_VLAN: u32 = 0x07;
    pub const QUERY_INFO: u32 = 0x08;
    pub const QUERY_RGID: u32 = 0x09;
    pub const REG_DMB: u32 = 0x0a;
    pub const UNREG_DMB: u32 = 0x0b;
    pub const SIGNAL_IEQ: u32 = 0x0e;
    pub const UNREG_SBA: u32 = 0x11;
    pub const UNREG_IEQ: u32 = 0x12;
}

/// The path by which PCISTB and PCILG reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Each BAR access is one instruction.
    Bar,
    /// Each request through the zPCI I/O region is one instruction, with the payload appended.
    Region,
    /// Like `Region`, over the function's instruction channel; this connection lends the memory.
    Channel,
    /// Like `Channel`, through a ring in shared memory beside the channel's socket.
    Ring,
}

/// The response to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The command code, repeated from the request.
    pub command: u32,
    /// The response code; 0 is success.
    pub code: u16,
    /// The length in the response header.
    pub len: u16,
    /// The body after the header.
    pub payload: Vec<u8>,
}

impl Response {
    /// Returns the payload of a response that must be successful.
    #[track_caller]
    pub fn ok(self) -> Vec<u8> {
        assert_eq!(self.code, 0, "{self:?}");
        self.payload
    }

    /// Returns the big-endian u64 of a response that must be successful.
    #[track_caller]
    pub fn number(self) -> u64 {
        u64::from_be_bytes(self.ok().try_into().unwrap())
    }

    /// Checks that the command failed, with a code other than 0xffff, which means to drivers that no response
    /// came.
    #[track_caller]
    pub fn failed(self) {
        assert!(self.code != 0 && self.code != 0xffff, "{self:?}");
        assert_eq!(self.len, 8, "{self:?}");
    }
}

/// Builds a request of the zPCI I/O region, without payload.
pub fn zpci_request(flags: u64, gaddr: u64, pcias: u8, offset: u64, len: u16) -> Bytes {
    let request = Bytes::new().u64(flags).u64(gaddr).u64(offset).u32(0);
    request.u16(len).raw(&[pcias, 0])
}

/// Returns the socket path of the instruction channel of the function with this socket.
pub fn channel(socket: &Path) -> PathBuf {
    let mut path = socket.to_owned().into_os_string();
    path.push(".insn");
    path.into()
}

/// Issues a PCILG through the zPCI I/O region: the request and the read of its result in one send, as QEMU's
/// plugin does. Returns the register image, or the errno of the request.
pub fn pcilg(client: &mut Client, pcias: u8, offset: u64, len: u16) -> Result<Vec<u8>, u32> {
    let request = region_write(ZPCI, 16, &zpci_request(1, 0, pcias, offset, len).0);
    let both = [
        message(1, command::REGION_WRITE, 0, &request),
        message(2, command::REGION_READ, 0, &access(ZPCI, 48, 8).0),
    ];
    client.wire.send(&both.concat());
    let (request, result) = (client.reply_to(1), client.reply_to(2));
    match request.errno() {
        None => Ok(result.data()),
        Some(errno) => Err(errno),
    }
}

/// Builds the header of a command.
pub fn header(code: u32, len: u16) -> Vec<u8> {
    Bytes::new().be32(code).be16(0).be16(len).0
}

/// Returns the offset of a move in the data BAR.
pub fn target(token: u64, element: u8, signal: bool, offset: u64) -> u64 {
    token | u64::from(element) << 24 | u64::from(signal) << 23 | offset
}

/// Builds the payload of a REG_DMB.
pub fn dmb(iova: u64, len: u32, index: u32, rgid: u64) -> Vec<u8> {
    Bytes::new()
        .be64(iova)
        .be32(len)
        .be32(index)
        .be32(0)
        .be32(0)
        .be64(rgid)
        .0
}

/// A driver with its client, its memory and its interrupt.
#[derive(Debug)]
pub struct Driver {
    /// The client of the function.
    pub client: Client,
    /// The memory: [`RAM_LEN`] bytes at [`IOVA`].
    pub ram: Ram,
    /// The eventfd of the MSI vector.
    pub irq: Eventfd,
    /// The instruction channel, if instructions go there.
    pub channel: Option<Client>,
    via: Via,
}

impl Driver {
    /// Connects, maps memory and assigns the interrupt. Nothing is registered.
    pub fn attach(socket: &Path, via: Via) -> Self {
        let channel = matches!(via, Via::Channel | Via::Ring).then(|| channel(socket));
        Self::attached(Client::open(socket), via, channel.as_deref())
    }

    /// Maps memory and assigns the interrupt over an open client; `channel` is the path of the channel, for
    /// [`Via::Channel`] and [`Via::Ring`].
    pub fn attached(mut client: Client, via: Via, channel: Option<&Path>) -> Self {
        let ram = Ram::new(RAM_LEN);
        client.map(IOVA, RAM_LEN, &ram, 0).ok();
        let irq = client.eventfd(MSI);
        let channel = channel.map(match via {
            Via::Ring => Client::open_ring,
            _ => Client::open,
        });
        Self {
            client,
            ram,
            irq,
            channel,
            via,
        }
    }

    /// Does what the Linux driver's probe does: SBA and event queue are registered.
    pub fn probe(socket: &Path, via: Via) -> Self {
        let mut driver = Self::attach(socket, via);
        driver.register();
        driver
    }

    /// Registers SBA and event queue (REG_SBA and REG_IEQ).
    pub fn register(&mut self) {
        self.run(code::REG_SBA, Bytes::new().be64(IOVA + SBA)).ok();
        self.run(code::REG_IEQ, Bytes::new().be64(IOVA + IEQ).be64(512))
            .ok();
    }

    /// Issues a PCISTB.
    pub fn store(&mut self, pcias: u8, offset: u64, data: &[u8]) -> Message {
        match self.via {
            Via::Bar => self.client.write(u32::from(pcias), offset, data),
            Via::Region | Via::Channel | Via::Ring => {
                let request = zpci_request(2, 0, pcias, offset, data.len() as u16);
                let client = self.channel.as_mut().unwrap_or(&mut self.client);
                client.write(ZPCI, 16, &request.raw(data).0)
            }
        }
    }

    /// Issues a PCILG of 8 bytes.
    pub fn load(&mut self, pcias: u8, offset: u64) -> Vec<u8> {
        match self.via {
            Via::Bar => self.client.read(u32::from(pcias), offset, 8).data(),
            Via::Region => {
                let request = zpci_request(1, 0, pcias, offset, 8);
                self.client.write(ZPCI, 16, &request.0).ok();
                self.client.read(ZPCI, 48, 8).data()
            }
            Via::Channel | Via::Ring => {
                let channel = self.channel.as_mut().expect("a channel");
                pcilg(channel, pcias, offset, 8).expect("a load")
            }
        }
    }

    /// Loads a response like the Linux driver: the header, then the rest if it succeeded.
    #[track_caller]
    pub fn response(&mut self) -> Response {
        let head = self.load(2, 0);
        let command = u32::from_be_bytes(head[..4].try_into().unwrap());
        let [code, len] = [4, 6].map(|at| u16::from_be_bytes([head[at], head[at + 1]]));
        // Any other length makes the driver overrun its buffer.
        assert!([8, 16, 200].contains(&len), "a response of {len} bytes");
        let rest = if code == 0 { usize::from(len) } else { 8 };
        let payload = (8..rest)
            .step_by(8)
            .flat_map(|at| self.load(2, at as u64))
            .collect();
        Response {
            command,
            code,
            len,
            payload,
        }
    }

    /// Runs a command like the Linux driver: payload, header, response.
    pub fn run(&mut self, code: u32, payload: impl AsRef<[u8]>) -> Response {
        let payload = payload.as_ref();
        if !payload.is_empty() {
            self.store(2, 8, payload).ok();
        }
        self.store(2, 0, &header(code, 8 + payload.len() as u16))
            .ok();
        self.response()
    }

    /// Returns the GID of the function (READ_GID).
    pub fn gid(&mut self) -> u64 {
        self.run(code::READ_GID, []).number()
    }

    /// Registers `len` bytes at [`DMB`] for the function with GID `rgid`. Returns the token.
    pub fn register_dmb(&mut self, len: u32, index: u32, rgid: u64) -> u64 {
        self.run(code::REG_DMB, dmb(IOVA + DMB, len, index, rgid))
            .number()
    }

    /// Posts a data move without a reply, so that the next one may follow before it is carried out.
    pub fn post(&mut self, target: u64, data: &[u8]) {
        let request = zpci_request(2, 0, 0, target, data.len() as u16).raw(data);
        let client = self.channel.as_mut().unwrap_or(&mut self.client);
        client.post(ZPCI, 16, &request.0);
    }

    /// Replaces the memory by memory that may shrink. The server writes that by several system calls, so a
    /// guest has more time between two of them.
    pub fn unseal(&mut self) {
        let ram = Ram::unsealed(RAM_LEN);
        self.client.unmap(IOVA, RAM_LEN).ok();
        self.client.map(IOVA, RAM_LEN, &ram, 0).ok();
        self.ram = ram;
    }

    /// Issues a data move and waits for the reply.
    pub fn put(&mut self, target: u64, data: &[u8]) -> Message {
        self.store(0, target, data)
    }
}
