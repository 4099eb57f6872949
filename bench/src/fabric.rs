//! A function of the measured server, set up like a driver does.

use std::os::fd::AsFd;
use std::time::Duration;

use vfio_user_ism_tests::client::{access, command, dma_map, irq, region_write, set_irqs};
use vfio_user_ism_tests::daemon::Daemon;
use vfio_user_ism_tests::driver::{FIRST_INDEX, code, dmb, header};
use vfio_user_ism_tests::wire::Bytes;
use vfio_user_ism_tests::{Eventfd, Ram};

use crate::link::Link;
use crate::servers::name;

/// First address of the memory.
pub(crate) const IOVA: u64 = 0x1_0000_0000;
/// Size of the memory in bytes.
pub(crate) const RAM_LEN: u64 = 4 << 20;
/// Offset in the memory of bytes to store or load.
pub(crate) const BUFFER: u64 = 0x20_0000;
/// Offset in the memory of the DMB.
const DMB: u64 = 0x10_0000;
const DMB_LEN: u32 = 0x1_0000;

/// A connected client of a function, with memory that it lends.
#[derive(Debug)]
pub(crate) struct Seat {
    pub link: Link,
    /// The memory: [`RAM_LEN`] bytes at [`IOVA`].
    pub ram: Ram,
    pub irq: Eventfd,
}

impl Seat {
    /// Creates a client of function `at`, with memory, an interrupt and an SBA.
    pub(crate) fn take(daemon: &Daemon, at: usize, poll: Duration) -> Self {
        let mut link = Link::open(&daemon.socket(&name(at)), poll);
        let ram = Ram::new(RAM_LEN);
        let fds = [ram.as_fd()];
        link.ask(command::DMA_MAP, &dma_map(IOVA, RAM_LEN, 0), &fds);
        let eventfd = Eventfd::new();
        let body = set_irqs(irq::EVENTFD | irq::TRIGGER, irq::MSI, 0, 1, &[]);
        link.ask(command::SET_IRQS, &body, &[eventfd.as_fd()]);
        let mut seat = Self {
            link,
            ram,
            irq: eventfd,
        };
        seat.command(code::REG_SBA, &IOVA.to_be_bytes());
        seat
    }

    /// Runs an ISM command like the Linux driver. Returns the response after its header.
    pub(crate) fn command(&mut self, code: u32, payload: &[u8]) -> Vec<u8> {
        if !payload.is_empty() {
            let body = region_write(2, 8, payload);
            self.link.ask(command::REGION_WRITE, &body, &[]);
        }
        let head = header(code, 8 + payload.len() as u16);
        self.link
            .ask(command::REGION_WRITE, &region_write(2, 0, &head), &[]);
        let mut load = |at, len| {
            let reply = self
                .link
                .ask(command::REGION_READ, &access(2, at, len).0, &[]);
            reply[16..].to_vec()
        };
        let head = load(0, 8);
        assert_eq!(head[4..6], [0, 0], "command {code:#x} failed");
        let len = u16::from_be_bytes([head[6], head[7]]);
        match len {
            8 => Vec::new(),
            _ => load(8, u32::from(len) - 8),
        }
    }

    /// Registers a DMB that `rgid` may write. Returns its token.
    pub(crate) fn dmb(&mut self, rgid: u64) -> u64 {
        let payload: Bytes = Bytes(dmb(IOVA + DMB, DMB_LEN, FIRST_INDEX, rgid));
        let token = self.command(code::REG_DMB, payload.as_ref());
        u64::from_be_bytes(token[..8].try_into().unwrap())
    }

    /// Puts a response into the command window, so that loads from the window break no rule.
    pub(crate) fn response(&mut self) {
        self.command(code::READ_GID, &[]);
    }
}
