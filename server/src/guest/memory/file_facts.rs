//! Determines the kind of a descriptor that a client sent as guest memory, without trusting its file.
//!
//! A client may send a descriptor of a file system that it serves itself (FUSE, NFS). Any request to that
//! file system would let the client keep the server waiting. F_GET_SEALS makes no such request, and succeeds
//! only for memory (memfd, tmpfs, hugetlbfs). statx with AT_STATX_DONT_SYNC returns what the kernel already
//! has.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, FsWord, OFlags, SealFlags, StatxFlags};
use rustix::io::Errno;

/// `f_type` of hugetlbfs (linux/magic.h), also of a memfd with MFD_HUGETLB.
const HUGETLBFS_MAGIC: FsWord = 0x9584_58f6;

/// Identity of a file. Two descriptors of one file have equal keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileKey {
    device: u64,
    inode: u64,
    /// True if the server reaches the file by file I/O instead of mapping it.
    by_file_io: bool,
}

impl FileKey {
    /// Returns the key of the same file when it is reached by file I/O.
    pub fn by_file_io(self) -> Self {
        Self {
            by_file_io: true,
            ..self
        }
    }
}

/// The properties of a descriptor that a client sent as guest memory.
#[derive(Debug)]
pub struct FileFacts {
    /// Identity of the file.
    pub key: FileKey,
    /// Present length of the file in bytes.
    pub len: u64,
    /// True if the descriptor may be read.
    pub readable: bool,
    /// True if the descriptor may be written, and mapped for writing.
    pub writable: bool,
    /// True if the descriptor is open for appending: a write goes to the end of the file, at any offset.
    pub appends: bool,
    /// True if the pages of the file can never disappear: it is sealed against shrinking, and the kernel
    /// refills a page after a hole was punched. (hugetlbfs may fail to, if its pool is empty.)
    pub stays: bool,
}

/// The reason why a descriptor is no usable memory, and the errno of the reply.
pub type NoMemory = (&'static str, Errno);

impl FileFacts {
    /// Determines the properties of a descriptor.
    pub fn of(fd: &OwnedFd) -> Result<Self, NoMemory> {
        let failed = |errno| ("the system does not tell what it is", errno);
        match rustix::fs::fcntl_get_seals(fd) {
            Ok(seals) => Self::of_memory(fd, seals),
            Err(Errno::INVAL) => Self::of_disk(fd),
            Err(errno) => Err(failed(errno)),
        }
    }

    /// Determines the properties of a memfd, or of a file of tmpfs or hugetlbfs.
    fn of_memory(fd: &OwnedFd, seals: SealFlags) -> Result<Self, NoMemory> {
        let failed = |errno| ("the system does not tell what it is", errno);
        let stat = rustix::fs::fstat(fd).map_err(failed)?;
        let file_system = rustix::fs::fstatfs(fd).map_err(failed)?;
        let huge = file_system.f_type == HUGETLBFS_MAGIC;
        let Access {
            readable,
            writable,
            appends,
        } = access(fd)?;
        let no_writes = seals.intersects(SealFlags::WRITE | SealFlags::FUTURE_WRITE);
        Ok(Self {
            key: FileKey {
                device: stat.st_dev,
                inode: stat.st_ino,
                by_file_io: false,
            },
            len: u64::try_from(stat.st_size).unwrap_or(0),
            readable,
            writable: writable && !no_writes,
            appends,
            stays: seals.contains(SealFlags::SHRINK) && !huge,
        })
    }

    /// Determines the properties of any other file: it must be a regular file on a block device.
    fn of_disk(fd: &OwnedFd) -> Result<Self, NoMemory> {
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        let stat = rustix::fs::statx(fd, "", flags, StatxFlags::BASIC_STATS)
            .map_err(|errno| ("the system does not tell what it is", errno))?;
        if FileType::from_raw_mode(stat.stx_mode.into()) != FileType::RegularFile {
            return Err(("not a regular file that can be mapped", Errno::INVAL));
        }
        if stat.stx_dev_major == 0 {
            return Err((
                "its file system may keep the server waiting, expected a memfd, or a file of \
                 tmpfs, hugetlbfs or a disk",
                Errno::INVAL,
            ));
        }
        let Access {
            readable,
            writable,
            appends,
        } = access(fd)?;
        Ok(Self {
            key: FileKey {
                device: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor),
                inode: stat.stx_ino,
                by_file_io: false,
            },
            len: stat.stx_size,
            readable,
            writable,
            appends,
            stays: false,
        })
    }
}

/// The way in which a descriptor was opened.
struct Access {
    readable: bool,
    writable: bool,
    appends: bool,
}

fn access(fd: &OwnedFd) -> Result<Access, NoMemory> {
    let flags = rustix::fs::fcntl_getfl(fd)
        .map_err(|errno| ("the system does not tell what it is", errno))?;
    let mode = flags & OFlags::ACCMODE;
    Ok(Access {
        readable: mode == OFlags::RDONLY || mode == OFlags::RDWR,
        writable: mode == OFlags::RDWR,
        appends: flags.contains(OFlags::APPEND),
    })
}

#[cfg(test)]
mod tests {
    use rustix::fs::{MemfdFlags, Mode, open};

    use super::*;

    fn memfd(flags: MemfdFlags, seals: SealFlags) -> OwnedFd {
        let flags = flags | MemfdFlags::ALLOW_SEALING;
        let fd = rustix::fs::memfd_create("ram", flags).unwrap();
        rustix::fs::ftruncate(&fd, 4 << 20).unwrap();
        rustix::fs::fcntl_add_seals(&fd, seals).unwrap();
        fd
    }

    #[test]
    fn what_is_sealed_against_shrinking_stays() {
        let none = MemfdFlags::empty();
        let sealed = FileFacts::of(&memfd(none, SealFlags::SHRINK)).unwrap();
        assert!(sealed.stays && sealed.writable && sealed.readable);
        assert_eq!(sealed.len, 4 << 20);
        let open = FileFacts::of(&memfd(none, SealFlags::empty())).unwrap();
        assert!(!open.stays && open.writable);
    }

    #[test]
    fn huge_pages_may_go_away_whatever_is_sealed() {
        let facts = FileFacts::of(&memfd(MemfdFlags::HUGETLB, SealFlags::SHRINK)).unwrap();
        assert!(!facts.stays);
    }

    #[test]
    fn what_is_sealed_against_writing_is_read_only() {
        for seal in [SealFlags::WRITE, SealFlags::FUTURE_WRITE] {
            let facts = FileFacts::of(&memfd(MemfdFlags::empty(), seal | SealFlags::SHRINK));
            let facts = facts.unwrap();
            assert!(facts.readable && !facts.writable, "{seal:?}");
        }
    }

    #[test]
    fn nothing_else_is_memory() {
        let path = |name: &str, flags| open(name, flags, Mode::empty()).unwrap();
        let pipe = rustix::pipe::pipe().unwrap().0;
        let socket = std::os::unix::net::UnixStream::pair().unwrap().0.into();
        let epoll = rustix::event::epoll::create(rustix::event::epoll::CreateFlags::empty());
        for (what, fd) in [
            ("pipe", pipe),
            ("socket", socket),
            ("epoll", epoll.unwrap()),
            ("directory", path("/dev", OFlags::RDONLY)),
            ("/dev/zero", path("/dev/zero", OFlags::RDWR)),
            ("/proc", path("/proc/self/status", OFlags::RDONLY)),
        ] {
            assert_eq!(FileFacts::of(&fd).unwrap_err().1, Errno::INVAL, "{what}");
        }
        let not_opened = path("/dev/zero", OFlags::PATH);
        assert_eq!(FileFacts::of(&not_opened).unwrap_err().1, Errno::BADF);
    }
}
