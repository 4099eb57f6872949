use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};

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
    GuestFile::open(fd, &facts).unwrap()
}

/// Returns the address at which the first byte is mapped.
fn direct(file: &GuestFile) -> *mut u8 {
    match file.place(0, 1).unwrap() {
        Place::Direct(pointer) | Place::Careful(pointer) => pointer,
        Place::File(_) => panic!("not mapped"),
    }
}

#[test]
fn file_io_reads_writes_and_sets_bits_without_a_mapping() {
    let fd = memfd(false);
    let facts = FileFacts::of(&fd).unwrap();
    let file = GuestFile::by_file_io(fd.try_clone().unwrap(), &facts);
    assert!(!file.sets_bits_atomically());
    file.write(4090, &[1; 12]).unwrap();
    file.set_bits(4090, 0x80).unwrap();
    file.set_bits_be16(4091, 0x8040).unwrap();
    let mut back = [0; 4];
    file.read(4090, &mut back).unwrap();
    assert_eq!(back, [0x81, 0x81, 0x41, 1]);
    // A file that was cut keeps its new length.
    rustix::fs::ftruncate(&fd, 4096).unwrap();
    assert_eq!(file.write(4090, &[2; 12]), Err(Errno::FAULT));
    assert_eq!(file.check(4090, 12), Err(Errno::FAULT));
    assert_eq!(file.read(4090, &mut [0; 12]), Err(Errno::FAULT));
    assert_eq!(rustix::fs::fstat(&fd).unwrap().st_size, 4096);
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
    let file = GuestFile::open(&fd, &facts).unwrap();
    assert_eq!(file.write(0, &[0; 8]), Err(Errno::ACCESS));
    assert_eq!(file.set_bits(0, 1), Err(Errno::ACCESS));
    file.read(0, &mut [0; 8]).unwrap();
}

#[test]
fn what_is_not_there_is_seen_beforehand() {
    let fd = memfd(false);
    let file = open(&fd);
    file.check(0, LEN as usize).unwrap();
    rustix::fs::ftruncate(&fd, 4096).unwrap();
    file.check(0, 4096).unwrap();
    for (offset, len) in [(4096, 1), (4000, 200), (0, LEN as usize)] {
        assert_eq!(file.check(offset, len), Err(Errno::FAULT), "{offset} {len}");
    }
    assert_eq!(file.check(LEN, 1), Err(Errno::FAULT));
}

#[test]
fn a_hole_in_sealed_memory_reads_as_zeros_and_fills_again() {
    let fd = memfd(true);
    let file = open(&fd);
    file.write(4096, &[7; 8]).unwrap();
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(&fd, hole, 4096, 4096).unwrap();
    let mut out = [1; 8];
    file.read(4096, &mut out).unwrap();
    assert_eq!(out, [0; 8]);
    file.write(4096, &[8; 8]).unwrap();
    file.set_bits(4096, 0x80).unwrap();
}

#[test]
fn sealed_against_writing_later_it_is_still_written_by_who_mapped_it_before() {
    let fd = memfd(false);
    let file = open(&fd);
    rustix::fs::fcntl_add_seals(&fd, SealFlags::FUTURE_WRITE).unwrap();
    file.write(0, &[1; 8]).unwrap();
    let mut out = [0; 8];
    file.read(0, &mut out).unwrap();
    assert_eq!(out, [1; 8]);
    // Descriptors that come later are read-only.
    let late = open(&fd);
    assert!(!late.writable());
    assert_eq!(late.write(0, &[2; 8]), Err(Errno::ACCESS));
    late.read(0, &mut out).unwrap();
}

/// Creates and maps a memfd of 2 MiB pages. If this machine has no such pages, the map is refused, and the
/// caller has then tested that.
#[track_caller]
fn huge() -> Option<(OwnedFd, GuestFile)> {
    let flags = MemfdFlags::ALLOW_SEALING | MemfdFlags::HUGETLB;
    let fd = rustix::fs::memfd_create("ram", flags).unwrap();
    rustix::fs::ftruncate(&fd, 2 << 20).unwrap();
    rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK).unwrap();
    let facts = FileFacts::of(&fd).unwrap();
    match GuestFile::open(&fd, &facts) {
        Ok(file) => Some((fd, file)),
        Err(errno) => {
            assert_eq!(errno, Errno::NOMEM);
            None
        }
    }
}

#[test]
fn huge_pages_are_read_and_written_and_a_hole_in_them_is_no_sigbus() {
    // If root runs on a machine without huge pages, the test allocates two.
    let pool = "/proc/sys/vm/nr_hugepages";
    let before = std::fs::read_to_string(pool).unwrap();
    if before.trim() == "0" {
        let _ = std::fs::write(pool, "2");
    }
    if let Some((fd, file)) = huge() {
        file.write(4096, &[7; 16]).unwrap();
        file.set_bits(4096, 0x80).unwrap();
        let mut out = [0; 16];
        file.read(4096, &mut out).unwrap();
        assert_eq!((out[0], out[15]), (0x87, 7));
        // The page goes back to the pool, and then the pool is emptied: nothing can fill the hole.
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(&fd, hole, 0, 2 << 20).unwrap();
        if before.trim() == "0" {
            let _ = std::fs::write(pool, "0");
        }
        for result in [
            file.read(4096, &mut out),
            file.write(4096, &[1; 16]),
            file.set_bits(4096, 1),
            file.check(4096, 16),
        ] {
            // If others left pages in the pool, the kernel fills the hole.
            assert!(
                matches!(result, Ok(()) | Err(Errno::FAULT | Errno::NOMEM)),
                "{result:?}"
            );
        }
    }
    if before.trim() == "0" {
        let _ = std::fs::write(pool, "0");
    }
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
                let word = direct(&guest);
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
                let pointer = direct(&ours);
                // SAFETY: as above.
                let old = unsafe { AtomicU8::from_ptr(pointer) }.fetch_and(!mask, Ordering::SeqCst);
                assert_ne!(old & mask, 0, "sealed {sealed}: bit lost");
            }
        });
    }
}

fn memfd_view(fd: &OwnedFd) -> OwnedFd {
    fd.try_clone().unwrap()
}
