//! A memfd as the memory of a ring.
//!
//! The memfd is sealed against shrinking, so no access to it can end in SIGBUS: if somebody punches a hole,
//! the pages come back as zeros.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering, fence};

use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{FsWord, MemfdFlags, SealFlags};
use thiserror::Error;

use crate::end::Memory;
use crate::layout::{LEN, WORD};

/// `f_type` of hugetlbfs (linux/magic.h), whose pages may not come back after a hole was punched.
const HUGETLBFS_MAGIC: FsWord = 0x9584_58f6;

/// The reason why a descriptor cannot be the memory of a ring.
#[derive(Debug, Error)]
pub enum NoRing {
    /// A system call failed.
    #[error("the ring's memory cannot be mapped: {0}")]
    System(#[from] io::Error),
    /// The memory could shrink or lose pages.
    #[error(
        "the ring's memory is not what was expected: a memfd without huge pages, sealed against shrinking (F_SEAL_SHRINK)"
    )]
    MayShrink,
    /// The memory is too short; the number is its bytes.
    #[error("the ring's memory has {0} bytes, expected at least {LEN}")]
    Short(u64),
}

/// The memory of a ring, mapped into this process.
#[derive(Debug)]
pub struct Mapping(MmapRaw);

impl Mapping {
    /// Creates a memfd for a ring and maps it. The descriptor is for the other side.
    ///
    /// # Errors
    /// The system has no memory or no descriptor left.
    pub fn create() -> io::Result<(Self, OwnedFd)> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = File::from(rustix::fs::memfd_create("vfio-user-ring", flags)?);
        file.set_len(LEN as u64)?;
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&file, seals)?;
        let map = MmapOptions::new().len(LEN).map_raw(&file)?;
        Ok((Self(map), file.into()))
    }

    /// Maps the memory that the other side created. It makes no request to a file system.
    ///
    /// # Errors
    /// See [`NoRing`].
    pub fn open(fd: &OwnedFd) -> Result<Self, NoRing> {
        // Only memory has seals, and a tmpfs file that is no memfd cannot have this one.
        let seals = rustix::fs::fcntl_get_seals(fd).map_err(|_| NoRing::MayShrink)?;
        let statfs = rustix::fs::fstatfs(fd.as_fd()).map_err(io::Error::from)?;
        if !seals.contains(SealFlags::SHRINK) || statfs.f_type == HUGETLBFS_MAGIC {
            return Err(NoRing::MayShrink);
        }
        let stat = rustix::fs::fstat(fd).map_err(io::Error::from)?;
        let len = u64::try_from(stat.st_size).unwrap_or(0);
        if len < LEN as u64 {
            return Err(NoRing::Short(len));
        }
        Ok(Self(MmapOptions::new().len(LEN).map_raw(fd)?))
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping has `LEN` bytes from the beginning of a page, so it is aligned for words. It is
        // readable and writable, and lives as long as `self`. All of it stays, because the file cannot
        // shrink. Any bytes are a valid `AtomicU64`. This process accesses the memory only by these atomics;
        // the compiler makes no assumption about the other process's accesses.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast::<AtomicU64>(), LEN / WORD) }
    }
}

impl Memory for Mapping {
    fn load(&self, word: usize, order: Ordering) -> u64 {
        self.words()[word].load(order)
    }

    fn store(&self, word: usize, value: u64, order: Ordering) {
        self.words()[word].store(value, order);
    }

    fn fence(&self) {
        fence(Ordering::SeqCst);
    }

    fn copy_out(&self, word: usize, out: &mut [u8]) {
        let words = &self.words()[word..];
        let (whole, rest) = out.as_chunks_mut::<WORD>();
        for (bytes, word) in whole.iter_mut().zip(words) {
            *bytes = word.load(Ordering::Relaxed).to_ne_bytes();
        }
        if !rest.is_empty() {
            let last = words[whole.len()].load(Ordering::Relaxed).to_ne_bytes();
            rest.copy_from_slice(&last[..rest.len()]);
        }
    }

    fn copy_in(&self, word: usize, bytes: &[u8]) {
        let words = &self.words()[word..];
        let (whole, rest) = bytes.as_chunks::<WORD>();
        for (bytes, word) in whole.iter().zip(words) {
            word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
        }
        if !rest.is_empty() {
            let mut last = [0; WORD];
            last[..rest.len()].copy_from_slice(rest);
            words[whole.len()].store(u64::from_ne_bytes(last), Ordering::Relaxed);
        }
    }
}
