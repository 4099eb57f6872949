//! Tests of the memory itself: two mappings of one memfd, and memory that is refused.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, memfd_create};
use vfio_user_ring::layout::{LEN, REQUESTS};
use vfio_user_ring::{End, Mapping, NoRing, Side};

fn memfd(flags: MemfdFlags, len: u64, seals: SealFlags) -> OwnedFd {
    let file = File::from(memfd_create("test", flags | MemfdFlags::ALLOW_SEALING).unwrap());
    file.set_len(len).unwrap();
    fcntl_add_seals(&file, seals).unwrap();
    file.into()
}

#[test]
fn two_mappings_are_one_ring() {
    let (ours, fd) = Mapping::create().unwrap();
    let mut client = End::new(ours, Side::Client);
    let mut server = End::new(Mapping::open(&fd).unwrap(), Side::Server);
    let mut out = vec![0; 10_000];
    for length in (1..9000).step_by(7) {
        let bytes: Vec<u8> = (0..length).map(|at| (at * 31 + length) as u8).collect();
        assert_eq!(client.send(&bytes), Ok(length));
        assert_eq!(server.receive(&mut out), Ok(length));
        assert_eq!(out[..length], bytes);
        assert_eq!(server.send(&bytes[..1]), Ok(1));
        assert_eq!(client.receive(&mut out), Ok(1));
    }
    assert!(client.must_wake() || server.may_wait(vfio_user_ring::Wait::Bytes).unwrap());
}

/// Tests that nothing the other side does to the file can end this process.
#[test]
fn pages_that_are_taken_away_come_back_empty() {
    let (ours, fd) = Mapping::create().unwrap();
    let mut client = End::new(ours, Side::Client);
    client.send(&[1; 64]).unwrap();
    let file = File::from(fd.try_clone().unwrap());
    assert!(file.set_len(0).is_err(), "it is sealed");
    fallocate(
        &fd,
        FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
        REQUESTS.data as u64,
        0x1000,
    )
    .unwrap();
    let mut server = End::new(Mapping::open(&fd).unwrap(), Side::Server);
    let fault = server.receive(&mut [0; 64]).unwrap_err().to_string();
    assert!(fault.contains("0x0 bytes, expected 1 to 0x40"), "{fault}");
}

#[test]
fn what_may_shrink_or_is_too_short_or_read_only_is_refused() {
    let none = MemfdFlags::empty();
    let shrinks = memfd(none, LEN as u64, SealFlags::empty());
    let short = memfd(none, LEN as u64 - 1, SealFlags::SHRINK);
    let sealed = memfd(none, LEN as u64, SealFlags::SHRINK | SealFlags::WRITE);
    let file = tempfile::tempfile().unwrap();
    file.set_len(LEN as u64).unwrap();
    assert!(matches!(Mapping::open(&shrinks), Err(NoRing::MayShrink)));
    assert!(matches!(
        Mapping::open(&file.into()),
        Err(NoRing::MayShrink)
    ));
    let error = Mapping::open(&short).unwrap_err().to_string();
    assert!(error.contains(&format!("{} bytes", LEN - 1)), "{error}");
    let error = Mapping::open(&sealed).unwrap_err().to_string();
    assert!(error.contains("cannot be mapped"), "{error}");
    // Creating the memfd takes no page of the pool; using it would.
    let huge = memfd(MemfdFlags::HUGETLB, 4 << 20, SealFlags::SHRINK);
    assert!(matches!(Mapping::open(&huge), Err(NoRing::MayShrink)));
    let pipe = rustix::pipe::pipe().unwrap().0;
    assert!(Mapping::open(&pipe).is_err());
    assert!(Mapping::open(&pipe.as_fd().try_clone_to_owned().unwrap()).is_err());
}
