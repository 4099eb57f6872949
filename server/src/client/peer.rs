//! The process at the other end of a socket, and its memory.

use std::os::fd::AsFd;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;

use crate::sandbox::process_memory::{self, Access, touch};

/// The process at the other end when the socket was connected (SO_PEERCRED).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pid: i32,
}

/// An access to the memory of the peer that failed.
#[derive(Debug, thiserror::Error)]
#[error("process {pid}, address {address:#x}, {len} bytes")]
pub struct PeerFault {
    pid: i32,
    address: u64,
    len: usize,
    #[source]
    source: std::io::Error,
}

impl Peer {
    /// Returns the peer of a connected socket, if the kernel reports it.
    pub fn of(stream: &impl AsFd) -> Option<Self> {
        let credentials = getsockopt(stream, PeerCredentials).ok()?;
        // The id is 0 for a process that this one cannot see, for example across containers.
        Some(credentials.pid())
            .filter(|pid| *pid > 0)
            .map(|pid| Self { pid })
    }

    /// The process id of the peer.
    pub fn pid(self) -> i32 {
        self.pid
    }

    /// Reads `out.len()` bytes at a virtual address of the process.
    pub fn read(self, address: u64, out: &mut [u8]) -> Result<(), PeerFault> {
        let len = out.len();
        let base = self.base(address, len)?;
        let done = if process_memory::is_started() {
            process_memory::read(self.pid, base, len).map(|bytes| out.copy_from_slice(&bytes))
        } else {
            touch(self.pid, base, Access::Read(out))
        };
        done.map_err(|error| self.fault(address, len, error.into()))
    }

    /// Writes `bytes` at a virtual address of the process.
    pub fn write(self, address: u64, bytes: &[u8]) -> Result<(), PeerFault> {
        let base = self.base(address, bytes.len())?;
        let done = if process_memory::is_started() {
            process_memory::write(self.pid, base, bytes)
        } else {
            touch(self.pid, base, Access::Write(bytes))
        };
        done.map_err(|error| self.fault(address, bytes.len(), error.into()))
    }

    fn base(self, address: u64, len: usize) -> Result<usize, PeerFault> {
        usize::try_from(address).map_err(|_| self.fault(address, len, nix::Error::EFAULT.into()))
    }

    fn fault(self, address: u64, len: usize, source: std::io::Error) -> PeerFault {
        PeerFault {
            pid: self.pid,
            address,
            len,
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_process_is_the_peer_of_its_own_socket() {
        let (one, _two) = std::os::unix::net::UnixStream::pair().unwrap();
        let peer = Peer::of(&one).unwrap();
        assert_eq!(peer.pid(), std::process::id() as i32);
        let source = *b"sixteen bytes...";
        let mut out = [0; 16];
        peer.read(source.as_ptr().addr() as u64, &mut out).unwrap();
        assert_eq!(out, source);
        let error = peer.read(8, &mut out).unwrap_err();
        assert!(
            error.to_string().contains("address 0x8, 16 bytes"),
            "{error}"
        );
    }
}
