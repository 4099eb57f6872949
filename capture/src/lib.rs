//! Captures of vfio-user messages: pcapng files for Wireshark, written and read.
//!
//! - [`pcapng`]: the blocks of the file;
//! - [`message`]: the header before every message, with direction and descriptors.
//!
//! Each client source of each function is an interface of the file, with link type 147 (`LINKTYPE_USER0`) and
//! a name: that of the function, followed by `.insn` for its instruction channel. A violation or a refusal is
//! a comment of the message that caused it.
#![forbid(unsafe_code)]

pub mod message;
pub mod pcapng;

pub use message::{Descriptor, DescriptorKind, Front, Kind, MOST_FILE, Role};
pub use pcapng::{Packet, ReadError, Reader, Writer};
