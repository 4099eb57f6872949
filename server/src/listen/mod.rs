//! The sources of clients: a path, a descriptor, or systemd.

#[allow(unsafe_code, reason = "takes over descriptors by number")]
pub mod descriptor;
pub mod sockets;

use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

/// Longest time to wait for other servers that start in the same folder.
const TURN: Duration = Duration::from_secs(2);
/// Time between two attempts to lock the folder.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// An error that prevents the use of a socket.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process listens there.
    #[error("{0} is in use: a process accepts connections there")]
    InUse(PathBuf),
    /// The path names a file that is no socket.
    #[error("{0} exists and is not a socket")]
    NotASocket(PathBuf),
    /// A system call failed.
    #[error("{what}")]
    System {
        /// The action that failed, for the message.
        what: String,
        /// The error that the system returned.
        #[source]
        source: std::io::Error,
    },
    /// The descriptor is not a UNIX stream socket.
    #[error("descriptor {0} is not a UNIX stream socket")]
    NotAStream(RawFd),
    /// The descriptor belongs to this process or does not exist.
    #[error("descriptor {0} is not open, is one of 0, 1 and 2, or is named twice")]
    BadDescriptor(RawFd),
    /// The number of sockets from systemd matches neither the profile's functions nor twice that.
    #[error(
        "systemd passed {got} sockets, expected {expected} (one for each function) or twice as many (the functions' instruction channels too)"
    )]
    Count {
        /// Number of sockets that systemd passed.
        got: usize,
        /// Number of functions in the profile.
        expected: usize,
    },
}

/// The origin of one function's clients.
#[derive(Debug)]
pub enum Source {
    /// Clients connect, one at a time.
    Listener(UnixListener),
    /// One client that is already connected.
    Connected(UnixStream),
}

/// The origin of all clients, in the order of the functions.
#[derive(Debug, Default)]
pub struct Sources {
    /// For each function, the socket of its device.
    pub clients: Vec<Source>,
    /// For each function, the socket of its instruction channel; empty if there are no channels.
    pub channels: Vec<Source>,
}

/// A socket file that is removed when dropped, unless another one has taken its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode of the file, if known.
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    fn new(path: &Path) -> Self {
        let path = path.to_owned();
        let identity = identity(&path);
        Self { path, identity }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let path = self.path.display();
        if self.identity.is_none() || identity(&self.path) != self.identity {
            tracing::debug!(%path, "did not remove the socket file: another one is in its place");
        } else if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%path, %error, "cannot remove the socket file");
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Binds `path` with mode 0600. A socket that nobody listens on is replaced; one that answers is left alone.
pub fn bind(path: &Path) -> Result<(Source, SocketFile), ListenError> {
    let system = |what: &str| {
        let what = format!("{what} {}", path.display());
        move |source| ListenError::System { what, source }
    };
    // Only one server at a time examines this folder and binds there.
    let _turn = turn(path);
    if let Ok(metadata) = std::fs::symlink_metadata(path) {
        if !metadata.file_type().is_socket() {
            return Err(ListenError::NotASocket(path.to_owned()));
        }
        if !is_dead(path) {
            return Err(ListenError::InUse(path.to_owned()));
        }
        std::fs::remove_file(path).map_err(system("cannot remove the dead socket"))?;
    }
    // The umask gives the file its mode from the start. No other thread creates files yet.
    let old = rustix::process::umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
    let listener = UnixListener::bind(path);
    rustix::process::umask(old);
    let listener = listener.map_err(system("cannot listen on"))?;
    Ok((Source::Listener(listener), SocketFile::new(path)))
}

/// Locks the folder of `path` until the result is dropped. `None` if the folder cannot be locked. Anybody who
/// may read a folder can keep its lock, so the wait is short.
fn turn(path: &Path) -> Option<OwnedFd> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(folder, flags, Mode::empty()).ok()?;
    let end = Instant::now() + TURN;
    loop {
        match rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(folder),
            Err(Errno::WOULDBLOCK) if Instant::now() < end => std::thread::sleep(LOOK_AGAIN),
            Err(_) => return None,
        }
    }
}

/// True if nobody has bound the socket file at `path`. A socket of another type is recognized before a
/// connection, so that a running server notices nothing.
fn is_dead(path: &Path) -> bool {
    let probe = rustix::net::socket(AddressFamily::UNIX, SocketType::DGRAM, None);
    let address = SocketAddrUnix::new(path);
    let (Ok(probe), Ok(address)) = (probe, address) else {
        return false;
    };
    rustix::net::connect(&probe, &address) == Err(Errno::CONNREFUSED)
}

/// Takes over descriptor `number`, a listening or connected UNIX stream socket.
pub fn adopt(number: RawFd) -> Result<Source, ListenError> {
    let fd = crate::listen::descriptor::take(number).ok_or(ListenError::BadDescriptor(number))?;
    classify(number, fd)
}

fn classify(number: RawFd, fd: OwnedFd) -> Result<Source, ListenError> {
    let is_stream = rustix::net::sockopt::socket_type(&fd) == Ok(SocketType::STREAM)
        && rustix::net::sockopt::socket_domain(&fd) == Ok(AddressFamily::UNIX);
    if !is_stream {
        return Err(ListenError::NotAStream(number));
    }
    let flags = rustix::io::fcntl_getfd(&fd).unwrap_or(rustix::io::FdFlags::empty());
    let _ = rustix::io::fcntl_setfd(&fd, flags | rustix::io::FdFlags::CLOEXEC);
    if rustix::net::sockopt::socket_acceptconn(fd.as_fd()).unwrap_or(false) {
        Ok(Source::Listener(UnixListener::from(fd)))
    } else {
        Ok(Source::Connected(UnixStream::from(fd)))
    }
}

/// Takes the sockets that systemd passed to this process, if it did: `LISTEN_PID` is this process, and
/// `LISTEN_FDS` counts descriptors from 3 on. The sockets of all functions come first; those of all
/// instruction channels may follow.
pub fn from_systemd(expected: usize) -> Result<Option<Sources>, ListenError> {
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|value| value.parse::<u32>().ok())
    };
    if number("LISTEN_PID") != Some(std::process::id()) {
        return Ok(None);
    }
    let Some(count) = number("LISTEN_FDS").filter(|count| *count > 0) else {
        return Ok(None);
    };
    let got = count as usize;
    if got != expected && got != 2 * expected {
        return Err(ListenError::Count { got, expected });
    }
    let sources = (3..).take(got).map(adopt);
    let mut clients = sources.collect::<Result<Vec<Source>, _>>()?;
    let channels = clients.split_off(expected);
    Ok(Some(Sources { clients, channels }))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_bound_socket_is_private_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let bound = bind(&path).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o600
        );
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn a_live_socket_is_left_alone_and_a_dead_one_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let live = UnixListener::bind(&path).unwrap();
        assert!(matches!(bind(&path), Err(ListenError::InUse(_))));
        assert!(path.exists());
        drop(live);
        assert!(bind(&path).is_ok());
        std::fs::write(folder.path().join("file"), "x").unwrap();
        assert!(matches!(
            bind(&folder.path().join("file")),
            Err(ListenError::NotASocket(_))
        ));
    }

    #[test]
    fn one_at_a_time_has_its_turn_in_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let mine = turn(&path).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let other = rustix::fs::open(folder.path(), flags, Mode::empty()).unwrap();
        let take = || rustix::fs::flock(&other, FlockOperation::NonBlockingLockExclusive);
        assert_eq!(take(), Err(Errno::WOULDBLOCK));
        drop(mine);
        take().unwrap();
    }

    #[test]
    fn a_lock_that_somebody_keeps_is_not_waited_for_long() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let _kept = turn(&path).unwrap();
        assert!(bind(&path).is_ok());
    }

    #[test]
    fn a_socket_of_another_process_in_its_place_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let (_source, file) = bind(&path).unwrap();
        // The test keeps its own socket open, so that the inode is not reused.
        std::fs::remove_file(&path).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        drop(file);
        assert!(path.exists());
    }

    #[test]
    fn descriptors_are_told_apart() {
        let (one, _other) = UnixStream::pair().unwrap();
        assert!(matches!(classify(9, one.into()), Ok(Source::Connected(_))));
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("a.sock")).unwrap();
        assert!(matches!(
            classify(9, listener.into()),
            Ok(Source::Listener(_))
        ));
        let (pipe, _writer) = rustix::pipe::pipe().unwrap();
        assert!(matches!(classify(9, pipe), Err(ListenError::NotAStream(9))));
        assert!(matches!(adopt(1), Err(ListenError::BadDescriptor(1))));
        assert!(matches!(adopt(9999), Err(ListenError::BadDescriptor(9999))));
    }
}
