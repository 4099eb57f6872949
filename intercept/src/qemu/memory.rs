//! Guest memory that this process shares with QEMU. It can still be read after QEMU has crashed or hangs.

use crate::probe::{self, DUMP_ADDRESS, DUMP_LENGTH, MAILBOX_LENGTH, ProbeState, ResultsError};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::io::pread;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

/// A file of the size of the guest's memory.
#[derive(Debug)]
pub(crate) struct GuestMemory {
    file: OwnedFd,
    length: u64,
}

impl GuestMemory {
    /// Makes a file of `length` bytes, all zero.
    ///
    /// # Errors
    /// The kernel has no memory file to give.
    pub(crate) fn new(length: u64) -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = memfd_create("guest-memory", flags)?;
        ftruncate(&file, length)?;
        // The server trusts only memory that cannot shrink; QEMU seals its own in the same way.
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok(Self { file, length })
    }

    /// Number of bytes.
    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// A path by which another process can open the file while this process lives.
    pub(crate) fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd()).into()
    }

    /// The memory with the probe's results: [`DUMP_LENGTH`] bytes from [`DUMP_ADDRESS`].
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn dump(&self) -> io::Result<Vec<u8>> {
        self.read(DUMP_ADDRESS, DUMP_LENGTH)
    }

    /// The progress of the probe: its state, and the number of its present record.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn progress(&self) -> io::Result<(ProbeState, u64)> {
        let mailbox = self.read(DUMP_ADDRESS, MAILBOX_LENGTH)?;
        probe::progress(&mailbox).map_err(|error: ResultsError| io::Error::other(error))
    }

    fn read(&self, address: u64, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match pread(&self.file, rest, address + done as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => done += count,
            }
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::GuestMemory;
    use crate::probe::{DUMP_ADDRESS, ProbeState};
    use std::os::unix::fs::FileExt;

    #[test]
    fn what_another_process_writes_is_read() {
        let memory = GuestMemory::new(4 << 20).expect("a memory file");
        let other = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(memory.path())
            .expect("opens like QEMU does");
        assert_eq!(other.metadata().expect("is a file").len(), 4 << 20);
        assert_eq!(
            memory.progress().expect("reads"),
            (ProbeState::NotStarted, 0)
        );
        for (at, value) in [(8, 4_u64), (16, 77)] {
            other
                .write_all_at(&value.to_be_bytes(), DUMP_ADDRESS + at)
                .expect("writes");
        }
        assert_eq!(memory.progress().expect("reads"), (ProbeState::Running, 77));
        assert!(other.set_len(1 << 20).is_err(), "it must not shrink");
    }
}
