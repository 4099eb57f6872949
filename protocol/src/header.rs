//! The header of every message, and the command numbers.

use std::fmt;

/// Bytes of a header: u16 message id, u16 command, u32 size (header included), u32 flags, u32 errno of an
/// error reply. All are in host byte order.
pub const HEADER_LEN: usize = 16;

/// Flag bits 0-3: the type of the message.
const TYPE_MASK: u32 = 0xf;
/// Type of a reply; a command has type 0.
const TYPE_REPLY: u32 = 1;
/// Flag: the sender of a command wants no reply.
pub const NO_REPLY: u32 = 0x10;
/// Flag: the reply reports a failure; `error` holds the errno.
pub const ERROR: u32 = 0x20;

/// The kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A request of either side.
    Command,
    /// The answer to a request.
    Reply,
}

/// A header in host byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Id that the sender of the command chooses and the reply repeats. It is not unique (QEMU counts for all
    /// its devices).
    pub message_id: u16,
    /// Number of the command.
    pub command: u16,
    /// Bytes of the message, header included.
    pub message_size: u32,
    /// Type bits, [`NO_REPLY`], [`ERROR`].
    pub flags: u32,
    /// Errno of an error reply, else 0.
    pub error: u32,
}

impl Header {
    /// Reads a header from its bytes.
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Self {
        let [
            i0,
            i1,
            c0,
            c1,
            s0,
            s1,
            s2,
            s3,
            f0,
            f1,
            f2,
            f3,
            e0,
            e1,
            e2,
            e3,
        ] = *bytes;
        Self {
            message_id: u16::from_ne_bytes([i0, i1]),
            command: u16::from_ne_bytes([c0, c1]),
            message_size: u32::from_ne_bytes([s0, s1, s2, s3]),
            flags: u32::from_ne_bytes([f0, f1, f2, f3]),
            error: u32::from_ne_bytes([e0, e1, e2, e3]),
        }
    }

    /// Returns the header's bytes.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let [i0, i1] = self.message_id.to_ne_bytes();
        let [c0, c1] = self.command.to_ne_bytes();
        let [s0, s1, s2, s3] = self.message_size.to_ne_bytes();
        let [f0, f1, f2, f3] = self.flags.to_ne_bytes();
        let [e0, e1, e2, e3] = self.error.to_ne_bytes();
        [
            i0, i1, c0, c1, s0, s1, s2, s3, f0, f1, f2, f3, e0, e1, e2, e3,
        ]
    }

    /// The size in the bytes of a message.
    pub(crate) fn size_mut(message: &mut [u8]) -> Option<&mut [u8; 4]> {
        message.get_mut(4..)?.first_chunk_mut()
    }

    /// The kind of the message; `None` if the type bits have no meaning.
    pub fn kind(&self) -> Option<Kind> {
        match self.flags & TYPE_MASK {
            0 => Some(Kind::Command),
            TYPE_REPLY => Some(Kind::Reply),
            _ => None,
        }
    }

    /// True if the sender wants no reply.
    pub fn no_reply(&self) -> bool {
        self.flags & NO_REPLY != 0
    }

    /// True if this is an error reply.
    pub fn is_error(&self) -> bool {
        self.flags & ERROR != 0
    }

    /// Creates the header of a command of `message_size` bytes.
    pub fn command(message_id: u16, command: Command, message_size: u32) -> Self {
        Self {
            message_id,
            command: command as u16,
            message_size,
            flags: 0,
            error: 0,
        }
    }

    /// Creates the header of the reply to this one.
    pub fn reply(&self, message_size: u32) -> Self {
        Self {
            message_size,
            flags: TYPE_REPLY,
            error: 0,
            ..*self
        }
    }

    /// Creates the header of the error reply to this one, which is the whole message.
    pub fn error_reply(&self, errno: crate::error::Errno) -> Self {
        let flags = TYPE_REPLY | ERROR;
        Self {
            message_size: HEADER_LEN as u32,
            flags,
            error: errno.0,
            ..*self
        }
    }

    /// The name of the command, for logs.
    pub fn name(&self) -> CommandName {
        CommandName(self.command)
    }
}

macro_rules! commands {
    ($($variant:ident $number:literal $name:literal)*) => {
        /// A command of the protocol. 14 is the dirty-page command of early drafts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        #[allow(missing_docs, reason = "named as in the protocol document")]
        pub enum Command { $($variant = $number),* }

        impl Command {
            /// All commands, by ascending number.
            pub const ALL: &[Command] = &[$(Command::$variant),*];

            /// Returns the command with this number.
            pub fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Command::$variant),)*
                    _ => None,
                }
            }

            /// The command's name in the protocol document.
            pub const fn name(self) -> &'static str {
                match self { $(Command::$variant => $name),* }
            }
        }
    };
}

commands! {
    Version 1 "VERSION"
    DmaMap 2 "DMA_MAP"
    DmaUnmap 3 "DMA_UNMAP"
    DeviceGetInfo 4 "DEVICE_GET_INFO"
    DeviceGetRegionInfo 5 "DEVICE_GET_REGION_INFO"
    DeviceGetRegionIoFds 6 "DEVICE_GET_REGION_IO_FDS"
    DeviceGetIrqInfo 7 "DEVICE_GET_IRQ_INFO"
    DeviceSetIrqs 8 "DEVICE_SET_IRQS"
    RegionRead 9 "REGION_READ"
    RegionWrite 10 "REGION_WRITE"
    DmaRead 11 "DMA_READ"
    DmaWrite 12 "DMA_WRITE"
    DeviceReset 13 "DEVICE_RESET"
    DirtyPages 14 "DIRTY_PAGES"
    RegionWriteMulti 15 "REGION_WRITE_MULTI"
    DeviceFeature 16 "DEVICE_FEATURE"
    MigDataRead 17 "MIG_DATA_READ"
    MigDataWrite 18 "MIG_DATA_WRITE"
}

/// A command number that displays as its name, if it has one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CommandName(pub u16);

impl CommandName {
    /// The command's name, or `unknown`.
    pub fn as_str(self) -> &'static str {
        Command::from_number(self.0).map_or("unknown", Command::name)
    }
}

impl fmt::Display for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Command::from_number(self.0) {
            Some(command) => f.write_str(command.name()),
            None => write!(f, "command {}", self.0),
        }
    }
}

impl fmt::Debug for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_laid_out_as_documented() {
        let header = Header {
            message_id: 0x0102,
            command: 10,
            message_size: 40,
            flags: 0x10,
            error: 7,
        };
        let mut expected = Vec::new();
        expected.extend(0x0102u16.to_ne_bytes());
        expected.extend(10u16.to_ne_bytes());
        for word in [40u32, 0x10, 7] {
            expected.extend(word.to_ne_bytes());
        }
        assert_eq!(header.encode().as_slice(), expected);
        assert_eq!(Header::decode(&header.encode()), header);
        assert!(header.no_reply() && !header.is_error());
    }

    #[test]
    fn replies_echo_id_and_command() {
        let header = Header::command(9, Command::RegionRead, 32);
        let reply = header.reply(40);
        assert_eq!(
            (reply.message_id, reply.command, reply.kind()),
            (9, 9, Some(Kind::Reply))
        );
        let error = header.error_reply(crate::Errno::EINVAL);
        assert!(error.is_error());
        assert_eq!((error.message_size, error.error), (16, 22));
    }

    #[test]
    fn type_bits_beyond_the_two_are_neither() {
        let header = Header {
            flags: 2,
            ..Header::command(0, Command::Version, 16)
        };
        assert_eq!(header.kind(), None);
    }

    #[test]
    fn numbers_and_names_agree() {
        for command in Command::ALL {
            assert_eq!(Command::from_number(*command as u16), Some(*command));
            assert_eq!(CommandName(*command as u16).to_string(), command.name());
        }
        assert_eq!(CommandName(99).to_string(), "command 99");
        assert_eq!(Command::from_number(0), None);
    }
}
