//! Writes the capture file: every message of every client, as pcapng.
//!
//! A message is written after its answer, because its comments say what was wrong with it. Written messages
//! wait in memory until a client pauses or leaves.

use std::fs::File;
use std::io::BufWriter;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ism::FunctionId;
use rustix::fs::{AtFlags, FileType, StatxFlags};
use vfio_user_capture::pcapng::Direction;
use vfio_user_capture::{Descriptor, DescriptorKind, Front, Kind, MOST_FILE, Role, Writer};
use vfio_user_protocol::{HEADER_LEN, Header};

use crate::hub::client::ClientKind;

/// Bytes that may wait in memory before they are written.
const TOGETHER: usize = 1 << 18;

/// An error in writing the capture file.
#[derive(Debug, thiserror::Error)]
#[error("capture file {path}")]
pub struct CaptureError {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

/// The open capture file.
#[derive(Debug)]
pub struct Capture {
    path: PathBuf,
    /// The writer; `None` once the file has ended.
    out: Mutex<Option<Writer<BufWriter<File>>>>,
    limit: u64,
    /// Number of bytes that the file keeps of a message.
    keep: usize,
    connections: AtomicU32,
}

impl Capture {
    /// Creates or empties the file. The file stops growing at `limit` bytes, and holds `keep` bytes of each
    /// message. Each function has two interfaces: itself, and its instruction channel.
    pub fn create<'a>(
        path: &Path,
        limit: u64,
        keep: Option<u32>,
        functions: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, CaptureError> {
        let begin = || -> std::io::Result<_> {
            let out = BufWriter::with_capacity(TOGETHER, File::create(path)?);
            let application = concat!("vfio-user-ism ", env!("CARGO_PKG_VERSION"));
            let mut writer = Writer::new(out, application)?;
            for name in functions {
                writer.interface(name, &format!("function {name}"), 0)?;
                let channel = format!("instruction channel of function {name}");
                writer.interface(&format!("{name}.insn"), &channel, 0)?;
            }
            writer.flush()?;
            Ok(writer)
        };
        let writer = begin().map_err(|source| CaptureError {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            out: Mutex::new(Some(writer)),
            limit,
            keep: keep.map_or(usize::MAX, |keep| keep as usize),
            connections: AtomicU32::new(0),
        })
    }

    /// Starts the capture of a client that has connected.
    pub fn tap(self: &Arc<Self>, function: FunctionId, kind: ClientKind) -> Tap {
        let channel = kind == ClientKind::Channel;
        let tap = Tap {
            capture: Arc::clone(self),
            // Functions are few, so their number fits.
            interface: 2 * function.0 as u32 + u32::from(channel),
            role: if channel { Role::Channel } else { Role::Device },
            connection: self.connections.fetch_add(1, Ordering::Relaxed) + 1,
            begun: now(),
        };
        tap.put(Kind::Connected, &[], Descriptors::default(), &[], tap.begun);
        tap
    }

    fn lock(&self) -> MutexGuard<'_, Option<Writer<BufWriter<File>>>> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes to the file. After a failed write the file ends.
    fn write(&self, write: impl FnOnce(&mut Writer<BufWriter<File>>) -> std::io::Result<()>) {
        let mut out = self.lock();
        let Some(writer) = &mut *out else { return };
        if let Err(error) = write(writer) {
            tracing::error!(path = %self.path.display(), %error, "the capture file ends here");
            *out = None;
        } else if writer.bytes() >= self.limit {
            let flushed = writer.flush();
            tracing::warn!(path = %self.path.display(), limit = self.limit, ?flushed, "the capture file is full");
            *out = None;
        }
    }

    /// Passes all waiting messages to the system.
    pub fn flush(&self) {
        self.write(Writer::flush);
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.flush();
    }
}

/// The present time since 1970.
fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// Descriptions of the descriptors of a message, taken before the descriptors are used up.
#[derive(Debug, Default)]
pub struct Descriptors {
    all: Vec<Descriptor>,
    lost: bool,
}

impl Descriptors {
    /// Describes descriptors; `None` for descriptors that were lost.
    pub fn of(fds: Option<&[OwnedFd]>) -> Self {
        Self {
            all: fds.unwrap_or_default().iter().map(descriptor).collect(),
            lost: fds.is_none(),
        }
    }
}

/// Describes one descriptor by what the kernel knows, because a client may serve the file system itself.
fn descriptor(fd: &OwnedFd) -> Descriptor {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let facts = rustix::fs::statx(fd.as_fd(), c"", flags, StatxFlags::BASIC_STATS);
    let Ok(facts) = facts else {
        let kind = DescriptorKind::Other;
        return Descriptor {
            kind,
            file: 0,
            size: 0,
        };
    };
    let mode = facts.stx_mode.into();
    let kind = match FileType::from_raw_mode(mode) {
        FileType::RegularFile if rustix::fs::fcntl_get_seals(fd).is_ok() => DescriptorKind::Memory,
        FileType::RegularFile => DescriptorKind::File,
        FileType::Socket => DescriptorKind::Socket,
        FileType::Fifo => DescriptorKind::Pipe,
        // Anonymous inodes, such as eventfds, have no type.
        FileType::Unknown => DescriptorKind::Event,
        _ => DescriptorKind::Other,
    };
    Descriptor {
        kind,
        file: facts.stx_ino & MOST_FILE,
        size: facts.stx_size,
    }
}

/// Captures the messages of one connection.
#[derive(Debug)]
pub struct Tap {
    capture: Arc<Capture>,
    interface: u32,
    role: Role,
    connection: u32,
    begun: Duration,
}

impl Tap {
    /// The time to record for a message whose handling begins now.
    pub fn time(&self) -> Duration {
        now()
    }

    /// Writes a message from the client, with remarks about it.
    pub fn from_client(
        &self,
        message: &[u8],
        descriptors: Descriptors,
        remarks: &[String],
        time: Duration,
    ) {
        self.put(Kind::ToServer, message, descriptors, remarks, time);
    }

    /// Writes complete messages to the client.
    pub fn to_client(&self, mut messages: &[u8]) {
        while let Some(head) = messages.first_chunk::<HEADER_LEN>() {
            let size = Header::decode(head).message_size as usize;
            let (message, rest) = messages.split_at(size.clamp(HEADER_LEN, messages.len()));
            self.put(Kind::ToClient, message, Descriptors::default(), &[], now());
            messages = rest;
        }
    }

    /// Passes all waiting messages to the system.
    pub fn flush(&self) {
        self.capture.flush();
    }

    fn put(
        &self,
        kind: Kind,
        message: &[u8],
        descriptors: Descriptors,
        remarks: &[String],
        time: Duration,
    ) {
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let front = Front {
            kind,
            role: self.role,
            big_endian: cfg!(target_endian = "big"),
            connection: self.connection,
            descriptors: descriptors.all,
            lost: descriptors.lost,
            length,
        };
        let mut packet = Vec::with_capacity(64 + message.len());
        front.encode(&mut packet);
        let whole = u32::try_from(packet.len())
            .unwrap_or(u32::MAX)
            .saturating_add(length);
        packet.extend(message.iter().take(self.capture.keep));
        let direction = match kind {
            Kind::ToClient => Direction::Outbound,
            Kind::ToServer | Kind::Connected | Kind::Left => Direction::Inbound,
        };
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.capture.write(|out| {
            out.packet(
                self.interface,
                time,
                Some(direction),
                remarks,
                &packet,
                whole,
            )
        });
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.put(Kind::Left, &[], Descriptors::default(), &[], now());
        self.flush();
    }
}
