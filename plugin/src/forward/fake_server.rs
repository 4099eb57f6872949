// SPDX-License-Identifier: GPL-2.0-or-later
//! A server for tests. It answers the questions at the start, records the requests of instructions, and
//! reacts to them as a test decides.

use std::io::{IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use vfio_user_ring::{End, Mapping, Side, Wait};
use zpci_region::clp::{ClpFacts, device_info_capabilities};

const VERSION: u16 = 1;
const GET_INFO: u16 = 4;
const GET_REGION_INFO: u16 = 5;
const REGION_READ: u16 = 9;
const REGION_WRITE: u16 = 10;

/// The reaction to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    /// Carries the request out.
    Done,
    /// Refuses the request with this errno.
    Refuse(u32),
    Close,
    /// Sends nothing.
    Nothing,
    /// Sends a byte now and then of a message that never becomes complete.
    Drip,
    /// Sends these bytes instead of the answer.
    Bytes(Vec<u8>),
    /// Sends the answer, and then these bytes.
    Extra(Vec<u8>),
}

/// A server of one client.
#[derive(Debug)]
pub(super) struct FakeServer {
    /// Path of the socket.
    pub path: PathBuf,
    /// The bytes that the client wrote into the request area, in order.
    pub requests: Arc<Mutex<Vec<Vec<u8>>>>,
    ring: Arc<AtomicBool>,
    _folder: tempfile::TempDir,
}

/// The register that every load returns. Its image is big-endian.
pub(super) const REGISTER: u64 = 0x0102_0304_0506_0708;

impl FakeServer {
    /// Serves a relaxed function; `react` decides on each request.
    pub(super) fn start(react: impl FnMut(&[u8]) -> Reaction + Send + 'static) -> Self {
        Self::with(&ClpFacts::default(), 56, react)
    }

    /// Serves a function with these facts and with a zPCI I/O region of this size.
    pub(super) fn with(
        facts: &ClpFacts,
        region_size: u64,
        react: impl FnMut(&[u8]) -> Reaction + Send + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.insn");
        let listener = UnixListener::bind(&path).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let ring = Arc::new(AtomicBool::new(false));
        let mut serving = Serving {
            ring: Arc::clone(&ring),
            capabilities: device_info_capabilities(facts, 24),
            region_size,
            requests: Arc::clone(&requests),
            react,
        };
        std::thread::spawn(move || {
            if let Ok((stream, _)) = listener.accept() {
                serving.serve(stream);
            }
        });
        Self {
            path,
            requests,
            ring,
            _folder: folder,
        }
    }

    /// True if the client's messages come through a ring.
    pub(super) fn has_ring(&self) -> bool {
        self.ring.load(Ordering::SeqCst)
    }
}

struct Serving<R> {
    ring: Arc<AtomicBool>,
    capabilities: Vec<u8>,
    region_size: u64,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
    react: R,
}

impl<R: FnMut(&[u8]) -> Reaction> Serving<R> {
    /// Serves until either side closes the connection.
    fn serve(&mut self, stream: UnixStream) {
        let mut header = [0; 16];
        let mut stream = Wire {
            stream,
            offered: Vec::new(),
            ring: None,
        };
        while stream.read_exact(&mut header).is_ok() {
            let command = u16::from_ne_bytes([header[2], header[3]]);
            let size = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]);
            let mut body = vec![0; size as usize - 16];
            stream.read_exact(&mut body).unwrap();
            let mut answer = |errno: u32, body: &[u8]| {
                let mut reply = header[..4].to_vec();
                reply.extend((16 + body.len() as u32).to_ne_bytes());
                let flags: u32 = if errno == 0 { 1 } else { 0x21 };
                reply.extend(flags.to_ne_bytes());
                reply.extend(errno.to_ne_bytes());
                reply.extend(body);
                stream.write_all(&reply).unwrap();
            };
            match command {
                VERSION if body.windows(6).any(|part| part == b"\"ring\"") => {
                    answer(0, b"\0\0\0\0{\"capabilities\":{\"ring\":{\"layout\":1}}}\0");
                    stream.use_ring();
                    self.ring.store(true, Ordering::SeqCst);
                }
                VERSION => answer(0, b"\0\0\0\0{\"capabilities\":{}}\0"),
                GET_INFO => {
                    let size = 24 + self.capabilities.len() as u32;
                    let mut info = Vec::new();
                    for word in [size, 0x82, 10, 5, 24, 0] {
                        info.extend(word.to_ne_bytes());
                    }
                    info.extend(&self.capabilities);
                    answer(0, &info);
                }
                GET_REGION_INFO => {
                    let index = u32::from_ne_bytes(*body[8..].first_chunk().unwrap());
                    answer(0, &self.region(index));
                }
                REGION_READ => {
                    assert_eq!(body, access(48, 8));
                    let image = REGISTER.to_be_bytes();
                    answer(0, &[&body[..], &image].concat());
                }
                REGION_WRITE => {
                    assert_eq!(body[..12], access(16, 0)[..12]);
                    let request = &body[16..];
                    self.requests.lock().unwrap().push(request.to_vec());
                    match (self.react)(request) {
                        Reaction::Done => answer(0, &body[..16]),
                        Reaction::Refuse(errno) => answer(errno, &[]),
                        Reaction::Close => return,
                        Reaction::Nothing => {}
                        Reaction::Drip => {
                            while stream.write_all(&[1]).is_ok() {
                                std::thread::sleep(std::time::Duration::from_millis(250));
                            }
                        }
                        Reaction::Bytes(bytes) => stream.write_all(&bytes).unwrap(),
                        Reaction::Extra(bytes) => {
                            let mut both = header[..4].to_vec();
                            both.extend(32_u32.to_ne_bytes());
                            both.extend(1_u32.to_ne_bytes());
                            both.extend([0; 4]);
                            both.extend(&body[..16]);
                            both.extend(bytes);
                            stream.write_all(&both).unwrap();
                        }
                    }
                }
                other => panic!("command {other} on the instruction channel"),
            }
        }
    }

    fn region(&self, index: u32) -> Vec<u8> {
        let size: u64 = match index {
            0 => 1 << 48,
            2 => 4096,
            9 => self.region_size,
            _ => 0,
        };
        let mut info = Vec::new();
        for word in [32, 3, index, 0] {
            info.extend(word.to_ne_bytes());
        }
        info.extend(size.to_ne_bytes());
        info.extend([0; 8]);
        info
    }
}

/// Encodes an access to the zPCI I/O region: offset, region index, count.
fn access(offset: u64, count: u32) -> Vec<u8> {
    let mut access = offset.to_ne_bytes().to_vec();
    access.extend(9_u32.to_ne_bytes());
    access.extend(count.to_ne_bytes());
    access
}

/// The bytes of the client, by the socket or by the ring that it offered.
struct Wire {
    stream: UnixStream,
    /// Descriptors that came along.
    offered: Vec<OwnedFd>,
    ring: Option<(End<Mapping>, OwnedFd, OwnedFd)>,
}

impl Wire {
    fn use_ring(&mut self) {
        let offered = std::mem::take(&mut self.offered);
        let [memory, woken, wakes] = offered.try_into().expect("memory and two eventfds");
        let end = End::new(Mapping::open(&memory).unwrap(), Side::Server);
        self.ring = Some((end, woken, wakes));
    }

    /// Waits for a wake-up or for the departure of the client, which gives no bytes.
    fn wait(stream: &UnixStream, end: &mut End<Mapping>, woken: &OwnedFd, wait: Wait) -> bool {
        if !end.may_wait(wait).unwrap() {
            return true;
        }
        let mut fds = [
            PollFd::new(woken, PollFlags::IN),
            PollFd::new(stream, PollFlags::IN),
        ];
        poll(&mut fds, None).unwrap();
        let stays = fds[1].revents().is_empty();
        if !fds[0].revents().is_empty() {
            rustix::io::read(woken, &mut [0; 8]).unwrap();
        }
        end.waits_no_more();
        stays
    }
}

impl Read for Wire {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let Some((end, woken, wakes)) = &mut self.ring else {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut parts = [IoSliceMut::new(out)];
            let received = recvmsg(&self.stream, &mut parts, &mut control, RecvFlags::empty())?;
            for part in control.drain() {
                if let RecvAncillaryMessage::ScmRights(fds) = part {
                    self.offered.extend(fds);
                }
            }
            return Ok(received.bytes);
        };
        loop {
            // Bytes that are no whole word wait until there is room for one.
            let count = end.receive(out).map_err(std::io::Error::other)?;
            if count > 0 && end.must_wake_for_room() {
                wake(wakes)?;
            }
            if count > 0 || !Self::wait(&self.stream, end, woken, Wait::Bytes) {
                return Ok(count);
            }
        }
    }
}

/// Wakes the other side. A full counter wakes it too.
fn wake(wakes: &OwnedFd) -> std::io::Result<()> {
    match rustix::io::write(wakes, &1_u64.to_ne_bytes()) {
        Ok(_) | Err(rustix::io::Errno::AGAIN) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let Some((end, woken, wakes)) = &mut self.ring else {
            return self.stream.write(bytes);
        };
        loop {
            let count = end.send(bytes).map_err(std::io::Error::other)?;
            if count > 0 && end.must_wake() {
                wake(wakes)?;
            }
            if count > 0 || !Self::wait(&self.stream, end, woken, Wait::Room) {
                return Ok(count);
            }
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
