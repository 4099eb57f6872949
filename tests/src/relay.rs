//! A relay between a client and the server that records the client's messages.

use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use tempfile::TempDir;

use crate::wire::{Message, Wire, message};

/// A recorded message of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Header and body of the message.
    pub bytes: Vec<u8>,
    /// Number of descriptors that came along.
    pub fds: usize,
}

impl Heard {
    /// The command number of the message.
    pub fn command(&self) -> u16 {
        u16::from_ne_bytes([self.bytes[2], self.bytes[3]])
    }

    /// True if the message is a reply to a message of the server.
    pub fn is_reply(&self) -> bool {
        self.bytes[8] & 0xf == 1
    }
}

/// A socket to which one client connects instead of the server's.
#[derive(Debug)]
pub struct Relay {
    folder: TempDir,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Relay {
    /// Creates a relay to the server's socket.
    pub fn to(server: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("relay.sock")).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (kept, server) = (Arc::clone(&heard), server.to_owned());
        thread::spawn(move || {
            let Ok((client, _)) = listener.accept() else {
                return;
            };
            let server = UnixStream::connect(server).unwrap();
            let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || pass(back.0, back.1, |_| {}));
            pass(client, server, |message| kept.lock().unwrap().push(message));
        });
        Self { folder, heard }
    }

    /// Path of the socket for the client.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("relay.sock")
    }

    /// Returns the client's messages so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }
}

/// Forwards messages until the stream ends.
fn pass(from: UnixStream, to: UnixStream, mut keep: impl FnMut(Heard)) {
    let (mut from, mut to) = (Wire::new(from), Wire::new(to));
    loop {
        // A guest may be silent for any time.
        let ready = retry_on_intr(|| poll(&mut [PollFd::new(&from, PollFlags::IN)], None));
        let Some(message) = ready.ok().and_then(|_| from.receive()) else {
            to.finish();
            return;
        };
        let bytes = whole(&message);
        let fds: Vec<_> = message.fds.iter().map(AsFd::as_fd).collect();
        keep(Heard {
            bytes: bytes.clone(),
            fds: fds.len(),
        });
        to.send_with_fds(&bytes, &fds);
    }
}

fn whole(received: &Message) -> Vec<u8> {
    let Message {
        id, command, flags, ..
    } = *received;
    let mut bytes = message(id, command, flags, &received.body);
    bytes[12..16].copy_from_slice(&received.error.to_ne_bytes());
    bytes
}
