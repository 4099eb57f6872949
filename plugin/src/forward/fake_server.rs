// SPDX-License-Identifier: GPL-2.0-or-later
//! A server made of bytes: it answers the questions at the start, writes down the requests of
//! instructions, and reacts to them as it is told.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use zpci_region::clp::{ClpFacts, device_info_capabilities};

const VERSION: u16 = 1;
const GET_INFO: u16 = 4;
const GET_REGION_INFO: u16 = 5;
const REGION_READ: u16 = 9;
const REGION_WRITE: u16 = 10;

/// The decision on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    /// It is carried out.
    Done,
    /// It is refused with this errno.
    Refuse(u32),
    /// The connection is closed.
    Close,
    /// Nothing comes.
    Nothing,
    /// A byte comes, and after a while another, of a message that is never whole.
    Drip,
    /// These bytes come instead of the answer.
    Bytes(Vec<u8>),
    /// The answer, and these bytes.
    Extra(Vec<u8>),
}

/// A server of one client.
#[derive(Debug)]
pub(super) struct FakeServer {
    /// Its socket.
    pub path: PathBuf,
    /// The bytes that were written into the request area, in order.
    pub requests: Arc<Mutex<Vec<Vec<u8>>>>,
    _folder: tempfile::TempDir,
}

/// The register that every load gives, as its image has it: big endian.
pub(super) const REGISTER: u64 = 0x0102_0304_0506_0708;

impl FakeServer {
    /// Serves a relaxed function; `react` is asked for each request.
    pub(super) fn start(react: impl FnMut(&[u8]) -> Reaction + Send + 'static) -> Self {
        Self::with(&ClpFacts::default(), 56, react)
    }

    /// Serves a function with these facts and a zPCI I/O region of this size.
    pub(super) fn with(
        facts: &ClpFacts,
        region_size: u64,
        react: impl FnMut(&[u8]) -> Reaction + Send + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.insn");
        let listener = UnixListener::bind(&path).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let mut serving = Serving {
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
            _folder: folder,
        }
    }
}

struct Serving<R> {
    capabilities: Vec<u8>,
    region_size: u64,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
    react: R,
}

impl<R: FnMut(&[u8]) -> Reaction> Serving<R> {
    /// Until the client leaves or is left.
    fn serve(&mut self, mut stream: UnixStream) {
        let mut header = [0; 16];
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
                                std::thread::sleep(std::time::Duration::from_millis(90));
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

/// Offset in the zPCI I/O region, its index, count.
fn access(offset: u64, count: u32) -> Vec<u8> {
    let mut access = offset.to_ne_bytes().to_vec();
    access.extend(9_u32.to_ne_bytes());
    access.extend(count.to_ne_bytes());
    access
}
