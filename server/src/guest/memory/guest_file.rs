//! One file of guest memory. The server maps it once.
//!
//! If a mapped file shrinks, an access past its new end kills the process with SIGBUS. So the server accesses
//! only files directly whose pages stay (sealed memfds, as QEMU sends). It reaches any other file like the
//! memory of another process (process_vm_readv and process_vm_writev, on this process). These calls fail if
//! there is no page, wait for no lock of the file, and never make the file longer. The kernel's own
//! fault-tolerant atomic operation (FUTEX_WAKE_OP) sets bits in such a file.
//!
//! A client may forbid mapping and allow only file I/O. The server reads and writes such a file by pread and
//! pwrite, and sets bits by a read and a write, which is not atomic towards the guest.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use rustix::io::Errno;
use rustix::thread::futex;

use super::file_facts::{FileFacts, FileKey};
use crate::sandbox::process_memory::{Access, touch};

/// The smallest page size. One byte in each page shows whether all of them exist.
const PAGE: usize = 4096;
/// Up to this length, a check touches every page, which also allocates it. Of a longer range it touches only
/// the first and the last page: touching all would take long and allocate the whole buffer.
const LOOKED_AT: usize = 16 * PAGE;

/// One file of guest memory.
#[derive(Debug)]
pub struct GuestFile {
    key: FileKey,
    len: u64,
    writable: bool,
    reach: Reach,
}

/// The way to reach the bytes of a file.
#[derive(Debug)]
enum Reach {
    /// The pages cannot disappear: memory accesses.
    Directly(MmapRaw),
    /// The file is mapped, but its pages may disappear: system calls on the mapping.
    Carefully(MmapRaw),
    /// The file is not mapped: pread and pwrite.
    FileIo(OwnedFd),
}

impl GuestFile {
    /// Creates the access to a file that must not be mapped.
    pub fn by_file_io(fd: OwnedFd, facts: &FileFacts) -> Self {
        Self {
            key: facts.key,
            len: facts.len,
            writable: facts.writable,
            reach: Reach::FileIo(fd),
        }
    }

    /// Maps a whole file.
    pub fn open(fd: &OwnedFd, facts: &FileFacts) -> Result<Self, Errno> {
        let len = usize::try_from(facts.len).map_err(|_| Errno::FBIG)?;
        let mut options = MmapOptions::new();
        options.len(len);
        let map = if facts.writable {
            options.map_raw(fd)
        } else {
            options.map_raw_read_only(fd)
        };
        let map = map.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::NOMEM))?;
        let file = Self {
            key: facts.key,
            len: facts.len,
            writable: facts.writable,
            reach: if facts.stays {
                Reach::Directly(map)
            } else {
                Reach::Carefully(map)
            },
        };
        // If the system does not allow a process to access itself this way, the map fails now.
        match file.check(0, 1) {
            Err(errno @ (Errno::PERM | Errno::NOSYS)) => Err(errno),
            _ => Ok(file),
        }
    }

    /// Identity of the file.
    pub fn key(&self) -> FileKey {
        self.key
    }

    /// Number of bytes that are mapped.
    pub fn size(&self) -> u64 {
        self.len
    }

    /// True if the file may be written.
    pub fn writable(&self) -> bool {
        self.writable
    }

    /// True if the pages of the file stay, so that a write inside it cannot fail halfway.
    pub fn stays(&self) -> bool {
        matches!(self.reach, Reach::Directly(_))
    }

    /// True if the guest sees the setting of bits as atomic.
    pub fn sets_bits_atomically(&self) -> bool {
        !matches!(self.reach, Reach::FileIo(_))
    }

    /// Finds `len` bytes at `offset`, if all of them are inside the file.
    fn place(&self, offset: u64, len: usize) -> Result<Place<'_>, Errno> {
        let end = offset.checked_add(len as u64).ok_or(Errno::FAULT)?;
        let at = usize::try_from(offset).map_err(|_| Errno::FAULT)?;
        if end > self.len {
            return Err(Errno::FAULT);
        }
        // `offset + len` lies inside the mapping, so the pointer does not leave it.
        Ok(match &self.reach {
            Reach::Directly(map) => Place::Direct(map.as_mut_ptr().wrapping_add(at)),
            Reach::Carefully(map) => Place::Careful(map.as_mut_ptr().wrapping_add(at)),
            Reach::FileIo(fd) => Place::File(fd),
        })
    }

    /// Checks that `len` bytes at `offset` exist now, as far as possible without writing.
    pub fn check(&self, offset: u64, len: usize) -> Result<(), Errno> {
        let pointer = match self.place(offset, len)? {
            Place::Direct(_) => return Ok(()),
            Place::File(fd) => return is_inside(fd, offset, len),
            Place::Careful(_) if len == 0 => return Ok(()),
            Place::Careful(pointer) => pointer,
        };
        let step = if len <= LOOKED_AT { PAGE } else { len };
        let mut pages = (0..len).step_by(step).chain([len - 1]);
        pages.try_for_each(|at| {
            // `at` is below `len`, so the pointer stays inside the mapping.
            reach(pointer.wrapping_add(at), Access::Read(&mut [0]))
        })
    }

    /// Reads `out.len()` bytes at `offset`. Aligned groups of 8 bytes are read in one access.
    pub fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Errno> {
        match self.place(offset, out.len())? {
            Place::Careful(pointer) => reach(pointer, Access::Read(out)),
            Place::File(fd) => read_all(fd, offset, out),
            Place::Direct(pointer) => {
                // SAFETY: `pointer` and `out.len()` bytes after it are mapped readable for the
                // life of `self`, and the pages stay there.
                unsafe { load_shared(pointer, out) };
                Ok(())
            }
        }
    }

    /// Writes `bytes` at `offset`. Aligned groups of 8 bytes are written in one access.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
        match self.writable_place(offset, bytes.len())? {
            Place::Careful(pointer) => reach(pointer, Access::Write(bytes)),
            Place::File(fd) => {
                // The write must not make a file longer that was cut.
                is_inside(fd, offset, bytes.len())?;
                write_all(fd, offset, bytes)
            }
            Place::Direct(pointer) => {
                // SAFETY: as in `read`; the mapping is writable, checked above.
                unsafe { store_shared(pointer, bytes) };
                Ok(())
            }
        }
    }

    fn writable_place(&self, offset: u64, len: usize) -> Result<Place<'_>, Errno> {
        let place = self.place(offset, len)?;
        if self.writable {
            Ok(place)
        } else {
            Err(Errno::ACCESS)
        }
    }

    /// ORs `mask` into the byte at `offset`, atomically if the file is mapped.
    pub fn set_bits(&self, offset: u64, mask: u8) -> Result<(), Errno> {
        match self.writable_place(offset, 1)? {
            Place::Careful(_) => self.set_bits_by_kernel(offset, &[mask]),
            Place::File(fd) => set_bits_by_file_io(fd, offset, [mask]),
            Place::Direct(pointer) => {
                // SAFETY: one byte at `pointer` is mapped writable for the life of `self`, its
                // page stays, and every access to it here is atomic.
                let byte = unsafe { AtomicU8::from_ptr(pointer) };
                byte.fetch_or(mask, Ordering::SeqCst);
                Ok(())
            }
        }
    }

    /// ORs `mask` into the big-endian halfword at `offset`, atomically if the file is mapped and
    /// `offset` is even; byte by byte if it is odd.
    pub fn set_bits_be16(&self, offset: u64, mask: u16) -> Result<(), Errno> {
        let [high, low] = mask.to_be_bytes();
        match self.writable_place(offset, 2)? {
            Place::Careful(_) => self.set_bits_by_kernel(offset, &[high, low]),
            Place::File(fd) => set_bits_by_file_io(fd, offset, [high, low]),
            Place::Direct(_) if !offset.is_multiple_of(2) => {
                self.set_bits(offset, high)?;
                self.set_bits(offset + 1, low)
            }
            Place::Direct(pointer) => {
                // SAFETY: two bytes at `pointer` are mapped writable for the life of `self`, their
                // page stays; a mapping is page aligned, so an even offset is an aligned halfword.
                let halfword = unsafe { AtomicU16::from_ptr(pointer.cast()) };
                halfword.fetch_or(mask.to_be(), Ordering::SeqCst);
                Ok(())
            }
        }
    }

    /// ORs `mask` into the bytes at `offset`, bit by bit, by FUTEX_WAKE_OP. The operation is atomic towards
    /// the guest, and returns an error (instead of SIGBUS) if the file was cut.
    fn set_bits_by_kernel(&self, offset: u64, mask: &[u8]) -> Result<(), Errno> {
        for (byte_offset, byte_mask) in (offset..).zip(mask) {
            let word_offset = byte_offset & !3;
            let Place::Careful(pointer) = self.place(word_offset, 4)? else {
                return Err(Errno::FAULT);
            };
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

/// The location of bytes of a file.
enum Place<'a> {
    /// In memory whose pages stay.
    Direct(*mut u8),
    /// In memory whose pages may disappear.
    Careful(*mut u8),
    /// In a file that is not mapped.
    File(&'a OwnedFd),
}

/// Checks that `len` bytes at `offset` are inside the file at its present length.
fn is_inside(fd: &OwnedFd, offset: u64, len: usize) -> Result<(), Errno> {
    let size = u64::try_from(rustix::fs::fstat(fd)?.st_size).unwrap_or(0);
    let end = offset.checked_add(len as u64).ok_or(Errno::FAULT)?;
    if end <= size {
        Ok(())
    } else {
        Err(Errno::FAULT)
    }
}

fn read_all(fd: &OwnedFd, mut offset: u64, mut out: &mut [u8]) -> Result<(), Errno> {
    while !out.is_empty() {
        match rustix::io::pread(fd, &mut *out, offset) {
            Ok(0) => return Err(Errno::FAULT),
            Ok(got) => {
                offset += got as u64;
                out = out.get_mut(got..).unwrap_or_default();
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn write_all(fd: &OwnedFd, mut offset: u64, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::pwrite(fd, bytes, offset) {
            Ok(0) => return Err(Errno::FAULT),
            Ok(put) => {
                offset += put as u64;
                bytes = bytes.get(put..).unwrap_or_default();
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// ORs `mask` into the bytes at `offset`. A change that the guest makes at the same time may be lost.
fn set_bits_by_file_io<const N: usize>(
    fd: &OwnedFd,
    offset: u64,
    mask: [u8; N],
) -> Result<(), Errno> {
    let mut bytes = [0; N];
    read_all(fd, offset, &mut bytes)?;
    bytes
        .iter_mut()
        .zip(mask)
        .for_each(|(byte, mask)| *byte |= mask);
    write_all(fd, offset, &bytes)
}

/// Reads or writes bytes of this process's own mapping by a system call, which fails with EFAULT if a page is
/// gone. `pointer` and the bytes after it must lie inside the mapping.
fn reach(pointer: *mut u8, access: Access<'_>) -> Result<(), Errno> {
    let own = i32::try_from(std::process::id()).map_err(|_| Errno::SRCH)?;
    touch(own, pointer.addr(), access).map_err(|errno| Errno::from_raw_os_error(errno as i32))
}

/// Number of bytes before the first 8-byte boundary at or after `pointer`, at most `len`.
fn head_len(pointer: *const u8, len: usize) -> usize {
    (pointer.addr().wrapping_neg() & 7).min(len)
}

/// Stores `bytes` at `pointer` in ascending order, each aligned group of 8 in one store.
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
        let store = |at: usize, word: &[u8; 8]| {
            AtomicU64::from_ptr(pointer.add(at * 8).cast())
                .store(u64::from_ne_bytes(*word), Ordering::Relaxed);
        };
        // Eight in a row: the compiler does not unroll atomic accesses by itself.
        let (eights, rest) = words.as_chunks::<8>();
        for (group, eight) in eights.iter().enumerate() {
            for (at, word) in eight.iter().enumerate() {
                store(group * 8 + at, word);
            }
        }
        for (at, word) in rest.iter().enumerate() {
            store(eights.len() * 8 + at, word);
        }
        let pointer = pointer.add(words.len() * 8);
        for (at, byte) in tail.iter().enumerate() {
            AtomicU8::from_ptr(pointer.add(at)).store(*byte, Ordering::Relaxed);
        }
    }
    std::sync::atomic::fence(Ordering::Release);
}

/// Loads `out.len()` bytes from `pointer`, each aligned group of 8 in one load.
///
/// # Safety
/// Like [`store_shared`], but the bytes must be readable.
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
mod tests;
