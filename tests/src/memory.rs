//! Memory in a memfd and eventfds, which a client lends to the server.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU64};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use vm_memory::{FileOffset, MmapRegion, VolatileMemory};

use crate::patience::{PATIENCE, wait};

/// Guest memory in a memfd, read and written through its descriptor.
#[derive(Debug)]
pub struct Ram(File);

impl Ram {
    /// Creates memory that cannot be truncated, like QEMU's.
    pub fn new(size: u64) -> Self {
        let ram = Self::unsealed(size);
        fcntl_add_seals(
            &ram.0,
            SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW,
        )
        .unwrap();
        ram
    }

    /// Creates memory that its owner may truncate at any time.
    pub fn unsealed(size: u64) -> Self {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = File::from(memfd_create("guest-ram", flags).unwrap());
        file.set_len(size).unwrap();
        Self(file)
    }

    /// Truncates or extends the memory.
    pub fn resize(&self, size: u64) {
        self.0.set_len(size).unwrap();
    }

    /// Reads bytes at an offset.
    pub fn read(&self, offset: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.read_exact_at(&mut bytes, offset).unwrap();
        bytes
    }

    /// Reads a big-endian number of `len` bytes.
    pub fn be(&self, offset: u64, len: usize) -> u64 {
        self.read(offset, len)
            .iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    /// Writes bytes at an offset.
    pub fn write(&self, offset: u64, bytes: &[u8]) {
        self.0.write_all_at(bytes, offset).unwrap();
    }
}

/// Guest memory as the guest sees it, shared with the server.
#[derive(Debug)]
pub struct View(MmapRegion);

impl View {
    /// Maps all of the memory.
    pub fn of(ram: &Ram) -> Self {
        let size = ram.0.metadata().unwrap().len() as usize;
        let file = FileOffset::new(ram.0.try_clone().unwrap(), 0);
        Self(MmapRegion::from_file(file, size).unwrap())
    }

    /// Returns the byte at an offset.
    pub fn byte(&self, at: u64) -> &AtomicU8 {
        self.0.get_atomic_ref(at as usize).unwrap()
    }

    /// Returns the halfword at an even offset.
    pub fn half(&self, at: u64) -> &AtomicU16 {
        self.0.get_atomic_ref(at as usize).unwrap()
    }

    /// Returns the doubleword at an offset that is a multiple of 8.
    pub fn word(&self, at: u64) -> &AtomicU64 {
        self.0.get_atomic_ref(at as usize).unwrap()
    }
}

impl AsFd for Ram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// An eventfd, as a counter.
#[derive(Debug)]
pub struct Eventfd(OwnedFd);

impl Default for Eventfd {
    fn default() -> Self {
        Self::new()
    }
}

impl Eventfd {
    /// Creates an eventfd with count 0.
    pub fn new() -> Self {
        Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap())
    }

    /// Adds 1 to the count.
    pub fn signal(&self) {
        rustix::io::write(&self.0, &1_u64.to_ne_bytes()).unwrap();
    }

    /// Takes the count, which may be 0.
    pub fn take(&self) -> u64 {
        let mut count = [0; 8];
        match rustix::io::read(&self.0, &mut count) {
            Ok(_) => u64::from_ne_bytes(count),
            Err(_) => 0,
        }
    }

    /// Waits for a signal, and takes the count.
    #[track_caller]
    pub fn wait(&self) -> u64 {
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        let ready = wait(&mut fds);
        assert_eq!(ready, 1, "no interrupt within {PATIENCE:?}");
        self.take()
    }
}

impl AsFd for Eventfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
