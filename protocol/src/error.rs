//! The two ways in which a message can be bad.

use std::borrow::Cow;
use std::fmt;

/// A Linux errno (asm-generic numbers), as it travels in a reply's header.
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

/// A message that cannot be understood: where the next one starts is not known, or the peer does
/// not speak this protocol. The connection ends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The header says less than the header's own size.
    #[error(
        "message {id:#06x} (command {command}) says it has {size} bytes, expected at least the 16 of its header"
    )]
    TooShort {
        /// Message id.
        id: u16,
        /// Command number.
        command: u16,
        /// The length in the header.
        size: u32,
    },
    /// The header says more than any message may have.
    #[error(
        "message {id:#06x} (command {command}) says it has {size} bytes, expected at most {limit}"
    )]
    TooLong {
        /// Message id.
        id: u16,
        /// Command number.
        command: u16,
        /// The length in the header.
        size: u32,
        /// Limit in force.
        limit: usize,
    },
    /// The type bits are neither command nor reply.
    #[error(
        "message {id:#06x} has flags {flags:#x}, expected those of a command (0) or a reply (1)"
    )]
    UnknownType {
        /// Message id.
        id: u16,
        /// The flags.
        flags: u32,
    },
    /// A command of the client on the twin socket.
    #[error("{0} came on the twin socket, expected only replies there")]
    CommandOnTwin(String),
    /// The first message is not VERSION.
    #[error("the first message is {0}, expected VERSION")]
    NotVersion(String),
    /// More descriptors than a message may carry.
    #[error("{got} descriptors wait for a message, expected at most {limit}")]
    TooManyDescriptors {
        /// Descriptors received.
        got: usize,
        /// Limit in force.
        limit: usize,
    },
}

/// A request that is understood and not carried out: the stream stays in step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} ({errno})")]
pub struct Refused {
    /// Errno of the reply.
    pub errno: Errno,
    /// The thing, where it is, and what was expected.
    pub reason: Cow<'static, str>,
}

impl Refused {
    /// A refusal with a reason.
    pub fn new(errno: Errno, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            errno,
            reason: reason.into(),
        }
    }

    /// EINVAL with a reason.
    pub fn invalid(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Errno::EINVAL, reason)
    }
}
