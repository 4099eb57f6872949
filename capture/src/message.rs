//! The header before every message of a capture. Its own numbers are little-endian.
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 1 | version of the header: 1 |
//! | 1 | 1 | kind: 0 client to server, 1 server to client, 2 client connected, 3 client left |
//! | 2 | 1 | role of the client: 0 device, 1 instruction channel |
//! | 3 | 1 | byte order of the message: 0 little endian, 1 big endian |
//! | 4 | 4 | number of the connection in the capture, from 1 |
//! | 8 | 2 | number of descriptors |
//! | 10 | 2 | 1 if some descriptors were lost |
//! | 12 | 4 | bytes of the message before it was cut |
//!
//! 16 bytes follow for each descriptor: its kind (1), a number of its file (7), its size in bytes (8).
//! Descriptors of memory and of files with the same number are of the same file.

/// Bytes of the header without the descriptors.
pub const FRONT_LEN: usize = 16;
/// Bytes for one descriptor.
pub const DESCRIPTOR_LEN: usize = 16;
const VERSION: u8 = 1;
/// The largest file number.
pub const MOST_FILE: u64 = (1 << 56) - 1;

/// The kind of a packet in a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A message from the client to the server.
    ToServer,
    /// A message from the server to the client.
    ToClient,
    /// A client connected. The packet has no message.
    Connected,
    /// A client left. The packet has no message.
    Left,
}

/// The role of a client, which decides what it may request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The device client, which may send every request.
    Device,
    /// The client of the instruction channel.
    Channel,
}

/// The kind of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DescriptorKind {
    /// Any other kind.
    Other = 0,
    /// Memory: memfd, tmpfs or hugetlbfs.
    Memory = 1,
    /// A file on a disk.
    File = 2,
    /// An eventfd, or another file without a name and a size.
    Event = 3,
    /// A UNIX or other socket.
    Socket = 4,
    /// A pipe or FIFO.
    Pipe = 5,
}

/// A descriptor that came with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The kind of the descriptor.
    pub kind: DescriptorKind,
    /// Number of the file, the same for all descriptors of one file; at most [`MOST_FILE`].
    pub file: u64,
    /// Size of the file in bytes.
    pub size: u64,
}

/// The header of one packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Front {
    /// The kind of the packet.
    pub kind: Kind,
    /// The role of the client.
    pub role: Role,
    /// True if the numbers of the message are big-endian.
    pub big_endian: bool,
    /// Number of the connection in the capture, from 1.
    pub connection: u32,
    /// The descriptors of the message, in order.
    pub descriptors: Vec<Descriptor>,
    /// True if some descriptors did not arrive.
    pub lost: bool,
    /// Bytes of the message before it was cut.
    pub length: u32,
}

impl Front {
    /// Appends the header to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let kind = match self.kind {
            Kind::ToServer => 0,
            Kind::ToClient => 1,
            Kind::Connected => 2,
            Kind::Left => 3,
        };
        let role = u8::from(self.role == Role::Channel);
        out.extend([VERSION, kind, role, u8::from(self.big_endian)]);
        out.extend(self.connection.to_le_bytes());
        let count = u16::try_from(self.descriptors.len()).unwrap_or(u16::MAX);
        out.extend(count.to_le_bytes());
        out.extend(u16::from(self.lost).to_le_bytes());
        out.extend(self.length.to_le_bytes());
        for descriptor in self.descriptors.iter().take(usize::from(count)) {
            let file = (descriptor.file & MOST_FILE) << 8;
            out.extend((file | descriptor.kind as u64).to_le_bytes());
            out.extend(descriptor.size.to_le_bytes());
        }
    }

    /// Splits a packet into the header and the captured part of the message.
    ///
    /// # Errors
    /// The text names the error in the header and the expected value.
    pub fn decode(packet: &[u8]) -> Result<(Self, &[u8]), String> {
        let short = || format!("{} bytes, expected at least {FRONT_LEN}", packet.len());
        let (front, mut rest) = packet.split_first_chunk::<FRONT_LEN>().ok_or_else(short)?;
        let [
            version,
            kind,
            role,
            order,
            c0,
            c1,
            c2,
            c3,
            n0,
            n1,
            lost,
            _,
            l0,
            l1,
            l2,
            l3,
        ] = *front;
        if version != VERSION {
            return Err(format!("version {version}, expected {VERSION}"));
        }
        let kind = match kind {
            0 => Kind::ToServer,
            1 => Kind::ToClient,
            2 => Kind::Connected,
            3 => Kind::Left,
            other => return Err(format!("kind {other}, expected 0 to 3")),
        };
        let mut descriptors = Vec::new();
        for at in 0..u16::from_le_bytes([n0, n1]) {
            let Some((descriptor, after)) = rest.split_first_chunk::<DESCRIPTOR_LEN>() else {
                return Err(format!("descriptor {at} is missing"));
            };
            let [f0, f1, f2, f3, f4, f5, f6, f7, size @ ..] = *descriptor;
            let first = u64::from_le_bytes([f0, f1, f2, f3, f4, f5, f6, f7]);
            let kind = match first & 0xff {
                1 => DescriptorKind::Memory,
                2 => DescriptorKind::File,
                3 => DescriptorKind::Event,
                4 => DescriptorKind::Socket,
                5 => DescriptorKind::Pipe,
                _ => DescriptorKind::Other,
            };
            descriptors.push(Descriptor {
                kind,
                file: first >> 8,
                size: u64::from_le_bytes(size),
            });
            rest = after;
        }
        let front = Self {
            kind,
            role: if role == 1 {
                Role::Channel
            } else {
                Role::Device
            },
            big_endian: order == 1,
            connection: u32::from_le_bytes([c0, c1, c2, c3]),
            descriptors,
            lost: lost & 1 != 0,
            length: u32::from_le_bytes([l0, l1, l2, l3]),
        };
        Ok((front, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn front() -> Front {
        Front {
            kind: Kind::ToServer,
            role: Role::Channel,
            big_endian: true,
            connection: 0x0102_0304,
            descriptors: vec![Descriptor {
                kind: DescriptorKind::Memory,
                file: 0x12_3456_789a_bcde,
                size: 1 << 40,
            }],
            lost: true,
            length: 99,
        }
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        let mut packet = Vec::new();
        front().encode(&mut packet);
        packet.extend(b"message");
        assert_eq!(packet[..4], [1, 0, 1, 1]);
        assert_eq!(Front::decode(&packet), Ok((front(), &b"message"[..])));
    }

    #[test]
    fn a_packet_that_is_cut_or_of_another_version_is_refused() {
        let mut packet = Vec::new();
        front().encode(&mut packet);
        for len in 0..packet.len() {
            assert!(Front::decode(&packet[..len]).is_err(), "{len}");
        }
        packet[0] = 2;
        let error = Front::decode(&packet).unwrap_err();
        assert_eq!(error, "version 2, expected 1");
    }
}
