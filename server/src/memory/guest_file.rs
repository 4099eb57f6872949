//! One file of guest memory, mapped once.
//!
//! A mapping of a file that can shrink kills the process with SIGBUS when it is touched past the
//! new end. So only a file sealed against shrinking (QEMU's memfds are) is touched directly; any
//! other is read and written by system calls, which fail instead, and its bits are set by the
//! kernel's own fault-tolerant atomic operation (FUTEX_WAKE_OP).

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{FileType, OFlags, SealFlags};
use rustix::io::Errno;
use rustix::thread::futex;

/// Tells that two descriptors are one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileKey {
    device: u64,
    inode: u64,
}

/// What a descriptor sent for guest memory turned out to be.
#[derive(Debug)]
pub struct FileFacts {
    /// Identity of the file.
    pub key: FileKey,
    /// Its length in bytes now.
    pub len: u64,
    /// Whether the descriptor may be read.
    pub readable: bool,
    /// Whether the descriptor may be written.
    pub writable: bool,
    /// Whether the file can never shrink.
    pub sealed: bool,
}

impl FileFacts {
    /// Looks at a descriptor; anything but a regular file is EINVAL.
    pub fn of(fd: &OwnedFd) -> Result<Self, Errno> {
        let stat = rustix::fs::fstat(fd)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Errno::INVAL);
        }
        let mode = rustix::fs::fcntl_getfl(fd)? & OFlags::ACCMODE;
        Ok(Self {
            key: FileKey {
                device: stat.st_dev,
                inode: stat.st_ino,
            },
            len: u64::try_from(stat.st_size).unwrap_or(0),
            readable: mode == OFlags::RDONLY || mode == OFlags::RDWR,
            writable: mode == OFlags::RDWR,
            sealed: rustix::fs::fcntl_get_seals(fd)
                .is_ok_and(|seals| seals.contains(SealFlags::SHRINK)),
        })
    }
}

/// One file of guest memory.
#[derive(Debug)]
pub struct GuestFile {
    key: FileKey,
    len: u64,
    writable: bool,
    map: MmapRaw,
    /// Kept only for a file that may shrink.
    unsealed: Option<OwnedFd>,
}

impl GuestFile {
    /// Maps the whole file. The descriptor is kept only when the file may shrink.
    pub fn open(fd: OwnedFd, facts: &FileFacts) -> Result<Self, Errno> {
        let len = usize::try_from(facts.len).map_err(|_| Errno::FBIG)?;
        let mut options = MmapOptions::new();
        options.len(len);
        let map = if facts.writable {
            options.map_raw(&fd)
        } else {
            options.map_raw_read_only(&fd)
        };
        let map = map.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::NOMEM))?;
        Ok(Self {
            key: facts.key,
            len: facts.len,
            writable: facts.writable,
            map,
            unsealed: (!facts.sealed).then_some(fd),
        })
    }

    /// Identity of the file.
    pub fn key(&self) -> FileKey {
        self.key
    }

    /// Bytes mapped.
    pub fn size(&self) -> u64 {
        self.len
    }

    /// Whether the file may be written.
    pub fn writable(&self) -> bool {
        self.writable
    }

    /// Where `len` bytes at `offset` are mapped, if all of them are.
    fn pointer(&self, offset: u64, len: usize) -> Option<*mut u8> {
        let end = offset.checked_add(len as u64)?;
        let offset = usize::try_from(offset).ok()?;
        // `offset + len` lies inside the mapping, so the pointer does not leave it.
        (end <= self.len).then(|| self.map.as_mut_ptr().wrapping_add(offset))
    }

    /// Whether `len` bytes at `offset` are there now, as far as can be told without touching them.
    pub fn check(&self, offset: u64, len: usize) -> Result<(), Errno> {
        self.pointer(offset, len).ok_or(Errno::FAULT)?;
        if let Some(file) = &self.unsealed {
            let now = u64::try_from(rustix::fs::fstat(file)?.st_size).unwrap_or(0);
            if offset + len as u64 > now {
                return Err(Errno::FAULT);
            }
        }
        Ok(())
    }

    /// Reads `out.len()` bytes at `offset`. Aligned groups of 8 bytes are read whole.
    pub fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Errno> {
        let pointer = self.pointer(offset, out.len()).ok_or(Errno::FAULT)?;
        match &self.unsealed {
            Some(file) => read_exact(file, offset, out),
            None => {
                // SAFETY: `pointer` and `out.len()` bytes after it are mapped readable for the
                // life of `self`, and the seal keeps the pages there.
                unsafe { load_shared(pointer, out) };
                Ok(())
            }
        }
    }

    /// Writes `bytes` at `offset`. Aligned groups of 8 bytes are written whole.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
        let pointer = self.pointer(offset, bytes.len()).ok_or(Errno::FAULT)?;
        if !self.writable {
            return Err(Errno::ACCESS);
        }
        match &self.unsealed {
            Some(file) => write_exact(file, offset, bytes),
            None => {
                // SAFETY: as in `read`; the mapping is writable, checked above.
                unsafe { store_shared(pointer, bytes) };
                Ok(())
            }
        }
    }

    /// Atomically ORs `mask` into the byte at `offset`.
    pub fn set_bits(&self, offset: u64, mask: u8) -> Result<(), Errno> {
        let pointer = self.pointer(offset, 1).ok_or(Errno::FAULT)?;
        if !self.writable {
            return Err(Errno::ACCESS);
        }
        if self.unsealed.is_some() {
            return self.set_bits_by_kernel(offset, &[mask]);
        }
        // SAFETY: one byte at `pointer` is mapped writable for the life of `self`, the seal keeps
        // its page, and every access to it here is atomic.
        let byte = unsafe { AtomicU8::from_ptr(pointer) };
        byte.fetch_or(mask, Ordering::SeqCst);
        Ok(())
    }

    /// Atomically ORs `mask` into the big-endian halfword at `offset`, which must be even.
    pub fn set_bits_be16(&self, offset: u64, mask: u16) -> Result<(), Errno> {
        let pointer = self.pointer(offset, 2).ok_or(Errno::FAULT)?;
        if !offset.is_multiple_of(2) {
            return Err(Errno::INVAL);
        }
        if !self.writable {
            return Err(Errno::ACCESS);
        }
        if self.unsealed.is_some() {
            return self.set_bits_by_kernel(offset, &mask.to_be_bytes());
        }
        // SAFETY: two bytes at `pointer` are mapped writable for the life of `self`, the seal
        // keeps their page; a mapping is page aligned, so an even offset is an aligned halfword.
        let halfword = unsafe { AtomicU16::from_ptr(pointer.cast()) };
        halfword.fetch_or(mask.to_be(), Ordering::SeqCst);
        Ok(())
    }

    /// ORs `mask` into the bytes at `offset`, bit by bit, by FUTEX_WAKE_OP: atomic towards the
    /// guest, and an error (not SIGBUS) where the file has been cut.
    fn set_bits_by_kernel(&self, offset: u64, mask: &[u8]) -> Result<(), Errno> {
        for (byte_offset, byte_mask) in (offset..).zip(mask) {
            let word_offset = byte_offset & !3;
            let pointer = self.pointer(word_offset, 4).ok_or(Errno::FAULT)?;
            // SAFETY: the word is inside the mapping and aligned. The reference is only handed to
            // the kernel, which touches it with faults handled; this process never loads from it.
            let word = unsafe { AtomicU32::from_ptr(pointer.cast()) };
            let shift_of_byte = if cfg!(target_endian = "little") {
                8 * (byte_offset - word_offset)
            } else {
                8 * (3 - (byte_offset - word_offset))
            };
            for bit in (0..8u64).filter(|bit| byte_mask & (1 << bit) != 0) {
                let nobody = AtomicU32::new(0);
                futex::wake_op(
                    &nobody,
                    futex::Flags::PRIVATE,
                    0,
                    0,
                    word,
                    futex::WakeOp::OrShift,
                    futex::WakeOpCmp::Eq,
                    (shift_of_byte + bit) as u16,
                    0,
                )?;
            }
        }
        Ok(())
    }
}

fn read_exact(file: impl AsFd, mut offset: u64, mut out: &mut [u8]) -> Result<(), Errno> {
    while !out.is_empty() {
        match rustix::io::pread(&file, &mut *out, offset) {
            Ok(0) => return Err(Errno::FAULT),
            Ok(read) => {
                out = out.get_mut(read..).ok_or(Errno::IO)?;
                offset += read as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes inside the file only: a file cut since it was mapped must not grow again.
fn write_exact(file: impl AsFd, mut offset: u64, mut bytes: &[u8]) -> Result<(), Errno> {
    let len = u64::try_from(rustix::fs::fstat(&file)?.st_size).unwrap_or(0);
    if offset.saturating_add(bytes.len() as u64) > len {
        return Err(Errno::FAULT);
    }
    while !bytes.is_empty() {
        match rustix::io::pwrite(&file, bytes, offset) {
            Ok(0) => return Err(Errno::FAULT),
            Ok(written) => {
                bytes = bytes.get(written..).ok_or(Errno::IO)?;
                offset += written as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Bytes before the first 8-byte boundary at or after `pointer`, at most `len`.
fn head_len(pointer: *const u8, len: usize) -> usize {
    (pointer.addr().wrapping_neg() & 7).min(len)
}

/// Stores `bytes` at `pointer`, aligned groups of 8 in one store each, ascending.
///
/// # Safety
/// `bytes.len()` bytes at `pointer` must be mapped writable, with pages that cannot go away.
/// Others may access them at the same time.
unsafe fn store_shared(pointer: *mut u8, bytes: &[u8]) {
    let (head, rest) = bytes.split_at(head_len(pointer, bytes.len()));
    let (words, tail) = rest.as_chunks::<8>();
    // SAFETY: each pointer stays within the range the caller vouches for; the word pointers are
    // 8-byte aligned since `head_len` bytes were taken off; all accesses are atomic.
    unsafe {
        for (at, byte) in head.iter().enumerate() {
            AtomicU8::from_ptr(pointer.add(at)).store(*byte, Ordering::Relaxed);
        }
        let pointer = pointer.add(head.len());
        for (at, word) in words.iter().enumerate() {
            AtomicU64::from_ptr(pointer.add(at * 8).cast())
                .store(u64::from_ne_bytes(*word), Ordering::Relaxed);
        }
        let pointer = pointer.add(words.len() * 8);
        for (at, byte) in tail.iter().enumerate() {
            AtomicU8::from_ptr(pointer.add(at)).store(*byte, Ordering::Relaxed);
        }
    }
    std::sync::atomic::fence(Ordering::Release);
}

/// Loads `out.len()` bytes from `pointer`, aligned groups of 8 in one load each.
///
/// # Safety
/// As [`store_shared`], readable.
unsafe fn load_shared(pointer: *mut u8, out: &mut [u8]) {
    let (head, rest) = out.split_at_mut(head_len(pointer, out.len()));
    let head_len = head.len();
    let (words, tail) = rest.as_chunks_mut::<8>();
    let words_len = words.len() * 8;
    // SAFETY: as in `store_shared`.
    unsafe {
        for (at, byte) in head.iter_mut().enumerate() {
            *byte = AtomicU8::from_ptr(pointer.add(at)).load(Ordering::Relaxed);
        }
        let pointer = pointer.add(head_len);
        for (at, word) in words.iter_mut().enumerate() {
            *word = AtomicU64::from_ptr(pointer.add(at * 8).cast())
                .load(Ordering::Relaxed)
                .to_ne_bytes();
        }
        let pointer = pointer.add(words_len);
        for (at, byte) in tail.iter_mut().enumerate() {
            *byte = AtomicU8::from_ptr(pointer.add(at)).load(Ordering::Relaxed);
        }
    }
    std::sync::atomic::fence(Ordering::Acquire);
}

#[cfg(test)]
mod tests {
    use rustix::fs::MemfdFlags;

    use super::*;

    const LEN: u64 = 8192;

    fn memfd(sealed: bool) -> OwnedFd {
        let fd = rustix::fs::memfd_create("ram", MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&fd, LEN).unwrap();
        if sealed {
            rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK).unwrap();
        }
        fd
    }

    fn open(fd: &OwnedFd) -> GuestFile {
        let facts = FileFacts::of(fd).unwrap();
        GuestFile::open(fd.try_clone().unwrap(), &facts).unwrap()
    }

    #[test]
    fn every_alignment_reads_back_what_was_written() {
        for sealed in [true, false] {
            let fd = memfd(sealed);
            let file = open(&fd);
            for offset in 0..16u64 {
                for len in 0..40usize {
                    let bytes: Vec<u8> = (0..len).map(|at| (at as u8) ^ (offset as u8)).collect();
                    file.write(4090 + offset, &bytes).unwrap();
                    let mut back = vec![0; len];
                    file.read(4090 + offset, &mut back).unwrap();
                    assert_eq!(back, bytes, "sealed {sealed} offset {offset} len {len}");
                    let mut seen = vec![0; len];
                    rustix::io::pread(&fd, &mut seen, 4090 + offset).unwrap();
                    assert_eq!(seen, bytes);
                }
            }
        }
    }

    #[test]
    fn bits_are_added_to_those_already_there() {
        for sealed in [true, false] {
            let fd = memfd(sealed);
            let file = open(&fd);
            for byte in 0..8u64 {
                file.write(byte, &[0x01]).unwrap();
                file.set_bits(byte, 0x90).unwrap();
            }
            file.set_bits_be16(10, 0x8001).unwrap();
            file.set_bits_be16(14, 0x0180).unwrap();
            let mut out = [0; 16];
            file.read(0, &mut out).unwrap();
            let expected = [
                0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0, 0, 0x80, 0x01, 0, 0, 0x01, 0x80,
            ];
            assert_eq!(out, expected, "sealed {sealed}");
        }
    }

    #[test]
    fn a_file_cut_while_mapped_gives_errors_and_does_not_grow() {
        let fd = memfd(false);
        let file = open(&fd);
        rustix::fs::ftruncate(&fd, 0).unwrap();
        assert_eq!(file.write(4096, &[1; 8]), Err(Errno::FAULT));
        assert_eq!(file.read(0, &mut [0; 8]), Err(Errno::FAULT));
        assert_eq!(file.set_bits(5000, 0x80), Err(Errno::FAULT));
        assert_eq!(file.set_bits_be16(5000, 0x80), Err(Errno::FAULT));
        assert_eq!(rustix::fs::fstat(&fd).unwrap().st_size, 0);
    }

    #[test]
    fn past_the_end_and_read_only_are_refused() {
        let fd = memfd(true);
        let file = open(&fd);
        assert_eq!(file.write(LEN - 4, &[0; 8]), Err(Errno::FAULT));
        assert_eq!(file.write(u64::MAX, &[0; 8]), Err(Errno::FAULT));
        let facts = FileFacts {
            writable: false,
            ..FileFacts::of(&fd).unwrap()
        };
        let file = GuestFile::open(fd, &facts).unwrap();
        assert_eq!(file.write(0, &[0; 8]), Err(Errno::ACCESS));
        assert_eq!(file.set_bits(0, 1), Err(Errno::ACCESS));
        file.read(0, &mut [0; 8]).unwrap();
    }

    #[test]
    fn a_pipe_is_not_memory() {
        let (reader, _writer) = rustix::pipe::pipe().unwrap();
        assert_eq!(FileFacts::of(&reader).unwrap_err(), Errno::INVAL);
    }

    #[test]
    fn bits_set_while_a_neighbour_is_cleared_are_not_lost() {
        for sealed in [true, false] {
            let fd = memfd(sealed);
            let ours = open(&fd);
            let guest = open(&memfd_view(&fd));
            let rounds = if sealed { 20_000 } else { 2_000 };
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let word = guest.pointer(0, 1).unwrap();
                    // SAFETY: test memory, mapped, not truncated here.
                    let byte = unsafe { AtomicU8::from_ptr(word) };
                    for _ in 0..rounds {
                        byte.fetch_or(0x01, Ordering::SeqCst);
                        byte.fetch_and(!0x01, Ordering::SeqCst);
                    }
                });
                for round in 0..rounds {
                    let mask = 0x80 >> (round % 7);
                    ours.set_bits(0, mask).unwrap();
                    let pointer = ours.pointer(0, 1).unwrap();
                    // SAFETY: as above.
                    let old =
                        unsafe { AtomicU8::from_ptr(pointer) }.fetch_and(!mask, Ordering::SeqCst);
                    assert_ne!(old & mask, 0, "sealed {sealed}: bit lost");
                }
            });
        }
    }

    fn memfd_view(fd: &OwnedFd) -> OwnedFd {
        fd.try_clone().unwrap()
    }
}
