//! The two kinds of errors in messages: malformed and refused.

use std::borrow::Cow;
use std::fmt;

/// A Linux errno (asm-generic numbers), as a reply's header carries it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub u32);

macro_rules! errnos {
    ($($name:ident $number:literal)*) => {
        #[allow(missing_docs, reason = "named as in errno(3)")]
        impl Errno { $(pub const $name: Errno = Errno($number);)* }

        impl fmt::Display for Errno {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {
                    $(Errno::$name => f.write_str(stringify!($name)),)*
                    Errno(other) => write!(f, "errno {other}"),
                }
            }
        }
    };
}

errnos! {
    EPERM 1 ENOENT 2 EIO 5 ENXIO 6 E2BIG 7 EBADF 9 ENOMEM 12 EACCES 13 EFAULT 14 EBUSY 16 EEXIST 17
    ENODEV 19 EINVAL 22 EMFILE 24 ENOTTY 25 ENOSPC 28 EPROTO 71 EOPNOTSUPP 95
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A message that makes no sense: its end is unknown, or the peer does not speak this protocol. The
/// connection ends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The size in the header is smaller than the header itself.
    #[error(
        "message {id:#06x} (command {command}) says it has {size} bytes, expected at least the 16 of its header"
    )]
    TooShort {
        /// Id of the message.
        id: u16,
        /// Command number of the message.
        command: u16,
        /// The size in the header.
        size: u32,
    },
    /// The size in the header exceeds the largest message.
    #[error(
        "message {id:#06x} (command {command}) says it has {size} bytes, expected at most {limit}"
    )]
    TooLong {
        /// Id of the message.
        id: u16,
        /// Command number of the message.
        command: u16,
        /// The size in the header.
        size: u32,
        /// The largest size that this side accepts.
        limit: usize,
    },
    /// The type bits mean neither command nor reply.
    #[error(
        "message {id:#06x} has flags {flags:#x}, expected those of a command (0) or a reply (1)"
    )]
    UnknownType {
        /// Id of the message.
        id: u16,
        /// The flags in the header.
        flags: u32,
    },
    /// The client sent a command on the twin socket.
    #[error("{0} came on the twin socket, expected only replies there")]
    CommandOnTwin(String),
    /// The first message is not VERSION.
    #[error("the first message is {0}, expected VERSION")]
    NotVersion(String),
    /// More descriptors arrived than a message may carry.
    #[error("{got} descriptors wait for a message, expected at most {limit}")]
    TooManyDescriptors {
        /// Number of descriptors that arrived.
        got: usize,
        /// The largest number that this side accepts.
        limit: usize,
    },
}

/// A request that makes sense but is not carried out. The stream stays in step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} ({errno})")]
pub struct Refused {
    /// Errno for the reply.
    pub errno: Errno,
    /// The reason: the thing, its place, and the expected value.
    pub reason: Cow<'static, str>,
}

impl Refused {
    /// Creates a refusal with a reason.
    pub fn new(errno: Errno, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            errno,
            reason: reason.into(),
        }
    }

    /// Creates a refusal with EINVAL and a reason.
    pub fn invalid(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Errno::EINVAL, reason)
    }
}
