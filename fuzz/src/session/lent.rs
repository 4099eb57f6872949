//! Descriptors that clients lend: two kinds of memory, and descriptors that are neither memory nor usable
//! eventfds.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, SealFlags};

/// Bytes of each file.
pub(super) const LEN: u64 = 4 << 20;

/// The kind of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Memory as QEMU lends it: sealed against shrinking.
    Sealed,
    /// Memory that its owner can shorten at any time.
    Unsealed,
    Eventfd,
    /// A full eventfd, on which a write would wait.
    Full,
    /// One end of a pipe.
    Pipe,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [
        Self::Sealed,
        Self::Unsealed,
        Self::Eventfd,
        Self::Full,
        Self::Pipe,
    ];
}

/// One descriptor of each kind, created once.
#[derive(Debug)]
pub(super) struct Lent([OwnedFd; 5]);

impl Lent {
    pub(super) fn new() -> Self {
        let file = |name| {
            let file = rustix::fs::memfd_create(name, MemfdFlags::ALLOW_SEALING).expect("a memfd");
            rustix::fs::ftruncate(&file, LEN).expect("room for it");
            file
        };
        let sealed = file("sealed");
        rustix::fs::fcntl_add_seals(&sealed, SealFlags::SHRINK).expect("a seal");
        let event = eventfd(0, EventfdFlags::NONBLOCK).expect("an eventfd");
        let full = eventfd(0, EventfdFlags::empty()).expect("an eventfd");
        rustix::io::write(&full, &(u64::MAX - 1).to_ne_bytes()).expect("it is filled");
        let (_, pipe) = rustix::pipe::pipe().expect("a pipe");
        Self([sealed, file("unsealed"), event, full, pipe])
    }

    pub(super) fn get(&self, kind: Kind) -> BorrowedFd<'_> {
        self.0[kind as usize].as_fd()
    }
}
