//! The process at the other end of a socket, and its memory.

use std::io::{IoSlice, IoSliceMut};

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::unistd::Pid;
use tokio::net::UnixStream;

/// The process that connected (SO_PEERCRED), as it was when it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pid: i32,
}

/// Memory of the peer that cannot be reached.
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
    /// The peer of a connected socket, where the kernel knows it.
    pub fn of(stream: &UnixStream) -> Option<Self> {
        let credentials = getsockopt(stream, PeerCredentials).ok()?;
        // 0: a process that this one cannot see, for one is in a container.
        Some(credentials.pid())
            .filter(|pid| *pid > 0)
            .map(|pid| Self { pid })
    }

    /// Its process id.
    pub fn pid(self) -> i32 {
        self.pid
    }

    /// Reads `out.len()` bytes at a virtual address of the process.
    pub fn read(self, address: u64, out: &mut [u8]) -> Result<(), PeerFault> {
        let len = out.len();
        let remote = self.remote(address, len)?;
        let done = process_vm_readv(
            Pid::from_raw(self.pid),
            &mut [IoSliceMut::new(out)],
            &[remote],
        );
        self.whole(address, len, done)
    }

    /// Writes `bytes` at a virtual address of the process.
    pub fn write(self, address: u64, bytes: &[u8]) -> Result<(), PeerFault> {
        let remote = self.remote(address, bytes.len())?;
        let done = process_vm_writev(Pid::from_raw(self.pid), &[IoSlice::new(bytes)], &[remote]);
        self.whole(address, bytes.len(), done)
    }

    fn remote(self, address: u64, len: usize) -> Result<RemoteIoVec, PeerFault> {
        let base = usize::try_from(address)
            .map_err(|_| self.fault(address, len, nix::Error::EFAULT.into()))?;
        Ok(RemoteIoVec { base, len })
    }

    fn whole(self, address: u64, len: usize, done: nix::Result<usize>) -> Result<(), PeerFault> {
        match done {
            Ok(done) if done == len => Ok(()),
            Ok(_) => Err(self.fault(address, len, nix::Error::EFAULT.into())),
            Err(error) => Err(self.fault(address, len, error.into())),
        }
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
        let (one, _two) = UnixStream::pair().unwrap();
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
