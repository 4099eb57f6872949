//! A minimal vfio-user client that moves data. It sends one whole message at a time.
//!
//! Layouts: QEMU `docs/interop/vfio-user.rst`; the request of the zPCI I/O region as in
//! `docs/protocol.md`; commands as in Linux `drivers/s390/net/ism.h`.

use std::io::{self, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use zpci_region::request::{Op, REGION_INDEX, REQUEST_OFFSET, RESULT_LEN, RESULT_OFFSET, Request};

/// Bytes of a message's header.
pub(super) const HEADER: usize = 16;
/// Bytes of the reply to a REGION_WRITE.
pub(super) const WRITE_REPLY: usize = HEADER + 16;
/// Longest time to wait for a reply.
const PATIENCE: Duration = Duration::from_secs(30);

const VERSION: u16 = 1;
const DMA_MAP: u16 = 2;
const REGION_READ: u16 = 9;
const REGION_WRITE: u16 = 10;

/// A connected client.
#[derive(Debug)]
pub(super) struct Link {
    stream: UnixStream,
}

impl Link {
    /// Connects and agrees on version 0.0.
    pub(super) fn open(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut link = Self { stream };
        link.call(VERSION, b"\0\0\0\0{\"capabilities\":{}}\0", None)?;
        Ok(link)
    }

    /// Sends a request and returns the body of its reply.
    fn call(
        &mut self,
        command: u16,
        body: &[u8],
        fd: Option<BorrowedFd<'_>>,
    ) -> io::Result<Vec<u8>> {
        let bytes = message(command, body);
        match fd {
            None => self.stream.write_all(&bytes)?,
            Some(fd) => {
                let fds = [fd];
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
                let mut control = SendAncillaryBuffer::new(&mut space);
                control.push(SendAncillaryMessage::ScmRights(&fds));
                let parts = [IoSlice::new(&bytes)];
                let sent = sendmsg(
                    self.stream.as_fd(),
                    &parts,
                    &mut control,
                    SendFlags::empty(),
                )?;
                self.stream
                    .write_all(bytes.get(sent..).unwrap_or_default())?;
            }
        }
        let mut header = [0; HEADER];
        self.stream.read_exact(&mut header)?;
        let [_, _, _, _, s0, s1, s2, s3, .., e0, e1, e2, e3] = header;
        let size = u32::from_ne_bytes([s0, s1, s2, s3]);
        let error = u32::from_ne_bytes([e0, e1, e2, e3]);
        if error != 0 {
            return Err(io::Error::from_raw_os_error(error.cast_signed()));
        }
        let length = usize::try_from(size)
            .unwrap_or_default()
            .saturating_sub(HEADER);
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }

    /// Maps `size` bytes of `memory` at `iova`.
    pub(super) fn map(&mut self, iova: u64, size: u64, memory: BorrowedFd<'_>) -> io::Result<()> {
        let body = [
            &32_u32.to_ne_bytes()[..],
            &3_u32.to_ne_bytes(),
            &0_u64.to_ne_bytes(),
            &iova.to_ne_bytes(),
            &size.to_ne_bytes(),
        ];
        self.call(DMA_MAP, &body.concat(), Some(memory)).map(drop)
    }

    /// Carries out one PCISTB.
    pub(super) fn store(&mut self, pcias: u8, offset: u64, data: &[u8]) -> io::Result<()> {
        self.call(REGION_WRITE, &store(pcias, offset, data), None)
            .map(drop)
    }

    /// Carries out one PCILG of 8 bytes.
    pub(super) fn load(&mut self, pcias: u8, offset: u64) -> io::Result<[u8; 8]> {
        let request = request(Op::Load, pcias, offset, 8, None);
        self.call(REGION_WRITE, &request, None)?;
        let result = region(RESULT_OFFSET, &[], RESULT_LEN);
        let body = self.call(REGION_READ, &result, None)?;
        let image = body.get(16..24).and_then(|image| image.try_into().ok());
        image.ok_or_else(|| io::Error::other("a load gave no 8 bytes"))
    }

    /// Carries out one ISM command. Returns the first 8 bytes of its response's payload, if it has any.
    pub(super) fn command(&mut self, code: u32, payload: &[u8]) -> io::Result<u64> {
        if !payload.is_empty() {
            self.store(2, 8, payload)?;
        }
        let length = u16::try_from(8 + payload.len()).map_err(io::Error::other)?;
        let header = [&code.to_be_bytes()[..], &[0, 0], &length.to_be_bytes()];
        self.store(2, 0, &header.concat())?;
        let [_, _, _, _, r0, r1, l0, l1] = self.load(2, 0)?;
        match (u16::from_be_bytes([r0, r1]), u16::from_be_bytes([l0, l1])) {
            (0, 9..) => self.load(2, 8).map(u64::from_be_bytes),
            (0, _) => Ok(0),
            (code, _) => Err(io::Error::other(format!("response code {code:#x}"))),
        }
    }
}

/// Makes a message. Its number is always 1, because only one message is on its way at a time.
fn message(command: u16, body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let header = [
        &1_u16.to_ne_bytes()[..],
        &command.to_ne_bytes(),
        &size.to_ne_bytes(),
        &[0; 8],
    ];
    [&header.concat(), body].concat()
}

fn region(offset: u64, data: &[u8], count: usize) -> Vec<u8> {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let access = [
        &offset.to_ne_bytes()[..],
        &REGION_INDEX.to_ne_bytes(),
        &count.to_ne_bytes(),
        data,
    ];
    access.concat()
}

/// A write of the zPCI I/O region that carries out an instruction.
fn request(op: Op, pcias: u8, offset: u64, length: usize, payload: Option<&[u8]>) -> Vec<u8> {
    let request = Request {
        op,
        gaddr: 0,
        offset,
        len: u16::try_from(length).unwrap_or(u16::MAX),
        pcias,
        payload,
    };
    let bytes = request.encode();
    region(REQUEST_OFFSET, &bytes, bytes.len())
}

fn store(pcias: u8, offset: u64, data: &[u8]) -> Vec<u8> {
    request(Op::StoreBlock, pcias, offset, data.len(), Some(data))
}

/// Bytes of the message of a PCISTB with `length` bytes.
pub(super) fn store_message(length: usize) -> usize {
    message(REGION_WRITE, &store(0, 0, &vec![0; length])).len()
}
