//! Blocks of a pcapng file (IETF draft-ietf-opsawg-pcapng): section header, interface description, enhanced
//! packet. The reader skips other blocks.

use std::io::{self, Read, Write};

/// `LINKTYPE_USER0`: writers and readers of the file agree on the format of its packets.
pub const LINK_TYPE: u16 = 147;
/// Bytes of the longest block that the reader accepts.
const MOST: usize = 1 << 24;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const MAGIC: u32 = 0x1a2b_3c4d;
const COMMENT: u16 = 1;
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_TSRESOL: u16 = 9;
const SHB_USERAPPL: u16 = 4;
const EPB_FLAGS: u16 = 2;
/// Timestamps are nanoseconds: 10 to the power of -9.
const NANOSECONDS: u8 = 9;

/// The direction of a packet from the server's side, as in `epb_flags`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The server received the packet.
    Inbound = 1,
    /// The server sent the packet.
    Outbound = 2,
}

/// Writes a pcapng file in host byte order.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    block: Vec<u8>,
    interfaces: u32,
    bytes: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// A write failed.
    pub fn new(out: W, application: &str) -> io::Result<Self> {
        let mut writer = Self {
            out,
            block: Vec::new(),
            interfaces: 0,
            bytes: 0,
        };
        writer.number(MAGIC);
        writer.block.extend(1_u16.to_ne_bytes());
        writer.block.extend(0_u16.to_ne_bytes());
        // The length of the section is unknown.
        writer.block.extend(u64::MAX.to_ne_bytes());
        writer.option(SHB_USERAPPL, application.as_bytes());
        writer.end(SECTION)?;
        Ok(writer)
    }

    /// Adds an interface. Returns its number. `snap_len` is the number of bytes kept of a packet, 0 for all.
    ///
    /// # Errors
    /// A write failed.
    pub fn interface(&mut self, name: &str, about: &str, snap_len: u32) -> io::Result<u32> {
        self.block.extend(LINK_TYPE.to_ne_bytes());
        self.block.extend(0_u16.to_ne_bytes());
        self.number(snap_len);
        self.option(IF_NAME, name.as_bytes());
        self.option(IF_DESCRIPTION, about.as_bytes());
        self.option(IF_TSRESOL, &[NANOSECONDS]);
        self.end(INTERFACE)?;
        self.interfaces += 1;
        Ok(self.interfaces - 1)
    }

    /// Adds a packet. `time` is in nanoseconds since 1970; `length` counts its bytes before it was cut.
    ///
    /// # Errors
    /// A write failed.
    pub fn packet(
        &mut self,
        interface: u32,
        time: u64,
        direction: Option<Direction>,
        comments: &[String],
        data: &[u8],
        length: u32,
    ) -> io::Result<()> {
        self.number(interface);
        self.number((time >> 32) as u32);
        self.number(time as u32);
        self.number(u32::try_from(data.len()).unwrap_or(u32::MAX));
        self.number(length);
        self.block.extend(data);
        self.pad();
        for comment in comments {
            self.option(COMMENT, comment.as_bytes());
        }
        if let Some(direction) = direction {
            self.option(EPB_FLAGS, &(direction as u32).to_ne_bytes());
        }
        self.end(PACKET)
    }

    /// Number of bytes of all blocks so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Passes everything to the system.
    ///
    /// # Errors
    /// A write failed.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn number(&mut self, number: u32) {
        self.block.extend(number.to_ne_bytes());
    }

    fn pad(&mut self) {
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    /// Adds an option. A text that is too long is cut.
    fn option(&mut self, code: u16, value: &[u8]) {
        let value = &value[..value.len().min(usize::from(u16::MAX))];
        self.block.extend(code.to_ne_bytes());
        self.block.extend((value.len() as u16).to_ne_bytes());
        self.block.extend(value);
        self.pad();
    }

    /// Ends the options and the block.
    fn end(&mut self, kind: u32) -> io::Result<()> {
        self.number(0);
        let total = (self.block.len() + 12) as u32;
        self.out.write_all(&kind.to_ne_bytes())?;
        self.out.write_all(&total.to_ne_bytes())?;
        self.out.write_all(&self.block)?;
        self.out.write_all(&total.to_ne_bytes())?;
        self.bytes += u64::from(total);
        self.block.clear();
        Ok(())
    }
}

/// One packet of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Number of the packet's interface.
    pub interface: u32,
    /// Time in nanoseconds since 1970.
    pub time: u64,
    /// The comments of the packet.
    pub comments: Vec<String>,
    /// The captured bytes of the packet.
    pub data: Vec<u8>,
    /// Number of its bytes before it was cut.
    pub length: u32,
}

/// An error in reading a file.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A read failed.
    #[error(transparent)]
    System(#[from] io::Error),
    /// The file is no pcapng file; the number is its first word.
    #[error("it begins with {0:#010x} and is no pcapng file")]
    NoPcapng(u32),
    /// The file ends inside a block: its writer was killed, or the disk was full.
    #[error("block at byte {at}: the file ends in it")]
    Cut {
        /// Offset of the block in the file.
        at: u64,
    },
    /// A block is malformed.
    #[error("block at byte {at}: {what}")]
    Block {
        /// Offset of the block in the file.
        at: u64,
        /// The error, and the expected value.
        what: String,
    },
}

/// Reads a file of either byte order.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    at: u64,
    big_endian: bool,
    begun: bool,
    /// Name of each interface.
    names: Vec<String>,
    /// Link type of each interface.
    links: Vec<u16>,
    /// For each interface, the units of its timestamps in a second.
    units: Vec<u64>,
}

impl<R: Read> Reader<R> {
    /// Reads the file from `input`.
    pub fn new(input: R) -> Self {
        Self {
            input,
            at: 0,
            big_endian: false,
            begun: false,
            names: Vec::new(),
            links: Vec::new(),
            units: Vec::new(),
        }
    }

    /// Returns the name of an interface; empty if it has none.
    pub fn name(&self, interface: u32) -> &str {
        self.names
            .get(interface as usize)
            .map_or("", String::as_str)
    }

    /// Returns the link type of an interface.
    pub fn link(&self, interface: u32) -> u16 {
        self.links.get(interface as usize).copied().unwrap_or(0)
    }

    /// Returns the next packet; `None` at the end.
    ///
    /// # Errors
    /// See [`ReadError`].
    #[allow(clippy::should_implement_trait, reason = "it can fail")]
    pub fn next(&mut self) -> Result<Option<Packet>, ReadError> {
        loop {
            let begin = self.at;
            let Some((kind, body)) = self.block()? else {
                return Ok(None);
            };
            let wrong = |what: &str| ReadError::Block {
                at: begin,
                what: what.to_owned(),
            };
            match kind {
                SECTION => {
                    self.names.clear();
                    self.links.clear();
                    self.units.clear();
                }
                INTERFACE => self
                    .describe(&body)
                    .ok_or_else(|| wrong("a short interface"))?,
                PACKET => {
                    let packet = self.packet(&body);
                    return packet.map(Some).ok_or_else(|| wrong("a short packet"));
                }
                _ => {}
            }
        }
    }

    /// Returns the next block without its lengths; `None` at the end of the file.
    fn block(&mut self) -> Result<Option<(u32, Vec<u8>)>, ReadError> {
        let at = self.at;
        let wrong = |what: String| ReadError::Block { at, what };
        let mut head = [0; 8];
        let mut got = 0;
        while got < head.len() {
            match self.input.read(&mut head[got..])? {
                0 if got == 0 => return Ok(None),
                0 => return Err(ReadError::Cut { at }),
                some => got += some,
            }
        }
        let [k0, k1, k2, k3, l0, l1, l2, l3] = head;
        // A section header reads the same in both byte orders.
        let is_section = u32::from_le_bytes([k0, k1, k2, k3]) == SECTION;
        if !self.begun && !is_section {
            return Err(ReadError::NoPcapng(u32::from_be_bytes([k0, k1, k2, k3])));
        }
        let ended = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ReadError::Cut { at },
            _ => error.into(),
        };
        let mut body = Vec::new();
        if is_section {
            let mut magic = [0; 4];
            self.input.read_exact(&mut magic).map_err(ended)?;
            self.big_endian = match magic {
                m if u32::from_le_bytes(m) == MAGIC => false,
                m if u32::from_be_bytes(m) == MAGIC => true,
                m => return Err(wrong(format!("byte order {m:02x?}, expected {MAGIC:#x}"))),
            };
            self.begun = true;
            body.extend(magic);
        }
        let total = self.u32([l0, l1, l2, l3]) as usize;
        if total < 12 + body.len() || !total.is_multiple_of(4) || total > MOST {
            return Err(wrong(format!(
                "{total} bytes, expected 12 to {MOST} in words"
            )));
        }
        let have = body.len();
        body.resize(total - 8, 0);
        self.input.read_exact(&mut body[have..]).map_err(ended)?;
        let trailer = body.split_off(total - 12);
        if trailer != [l0, l1, l2, l3] {
            return Err(wrong("its two lengths differ".to_owned()));
        }
        self.at += total as u64;
        Ok(Some((self.u32([k0, k1, k2, k3]), body)))
    }

    fn u16(&self, bytes: [u8; 2]) -> u16 {
        match self.big_endian {
            true => u16::from_be_bytes(bytes),
            false => u16::from_le_bytes(bytes),
        }
    }

    fn u32(&self, bytes: [u8; 4]) -> u32 {
        match self.big_endian {
            true => u32::from_be_bytes(bytes),
            false => u32::from_le_bytes(bytes),
        }
    }

    fn describe(&mut self, body: &[u8]) -> Option<()> {
        let link = self.u16(*body.first_chunk()?);
        let (mut name, mut unit) = (String::new(), 1_000_000);
        for (code, value) in self.options(body.get(8..)?) {
            match (code, value) {
                (IF_NAME, value) => name = String::from_utf8_lossy(value).into_owned(),
                // The highest bit means a power of 2.
                (IF_TSRESOL, &[power]) if power & 0x80 == 0 => {
                    unit = 10_u64.checked_pow(power.into()).unwrap_or(u64::MAX);
                }
                (IF_TSRESOL, &[power]) => {
                    unit = 1_u64.checked_shl((power & 0x7f).into()).unwrap_or(u64::MAX);
                }
                _ => {}
            }
        }
        self.names.push(name);
        self.links.push(link);
        self.units.push(unit);
        Some(())
    }

    fn packet(&self, body: &[u8]) -> Option<Packet> {
        let word = |at: usize| Some(self.u32(*body.get(4 * at..)?.first_chunk()?));
        let interface = word(0)?;
        let ticks = u64::from(word(1)?) << 32 | u64::from(word(2)?);
        let unit = *self.units.get(interface as usize)?;
        let time = u128::from(ticks) * 1_000_000_000 / u128::from(unit);
        let kept = word(3)? as usize;
        let data = body.get(20..)?.get(..kept)?.to_vec();
        let options = body
            .get(20 + kept.next_multiple_of(4)..)
            .unwrap_or_default();
        let comments = self.options(options).into_iter();
        let comments = comments.filter(|(code, _)| *code == COMMENT);
        Some(Packet {
            interface,
            time: u64::try_from(time).unwrap_or(u64::MAX),
            comments: comments
                .map(|(_, text)| String::from_utf8_lossy(text).into_owned())
                .collect(),
            data,
            length: word(4)?,
        })
    }

    fn options<'a>(&self, mut bytes: &'a [u8]) -> Vec<(u16, &'a [u8])> {
        let mut options = Vec::new();
        while let Some((&[c0, c1, l0, l1], rest)) = bytes.split_first_chunk() {
            let (code, len) = (self.u16([c0, c1]), usize::from(self.u16([l0, l1])));
            let Some(value) = rest.get(..len).filter(|_| code != 0) else {
                break;
            };
            options.push((code, value));
            bytes = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn written() -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, "test").unwrap();
        writer.interface("ism0", "a function", 0).unwrap();
        writer.interface("ism1", "another", 0).unwrap();
        let comments = ["one".to_owned(), "two, longer".to_owned()];
        let both = Some(Direction::Inbound);
        writer
            .packet(1, 1_700_000_000_123_456_789, both, &comments, b"12345", 9)
            .unwrap();
        writer.packet(0, 7, None, &[], b"", 0).unwrap();
        writer.flush().unwrap();
        assert_eq!(writer.bytes(), out.len() as u64);
        out
    }

    fn all(bytes: &[u8]) -> Result<Vec<Packet>, ReadError> {
        let mut reader = Reader::new(bytes);
        let mut packets = Vec::new();
        while let Some(packet) = reader.next()? {
            packets.push(packet);
        }
        Ok(packets)
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = written();
        let mut reader = Reader::new(&bytes[..]);
        let packet = reader.next().unwrap().unwrap();
        assert_eq!(packet.time, 1_700_000_000_123_456_789);
        assert_eq!(packet.comments, ["one", "two, longer"]);
        assert_eq!((packet.data, packet.length), (b"12345".to_vec(), 9));
        assert_eq!((reader.name(1), reader.link(1)), ("ism1", LINK_TYPE));
        let packet = reader.next().unwrap().unwrap();
        assert_eq!((packet.interface, packet.time), (0, 7));
        assert_eq!(reader.next().unwrap(), None);
    }

    #[test]
    fn a_file_that_ends_in_a_block_is_cut_at_that_block() {
        let bytes = written();
        let mut begins = vec![0];
        while let Some(&at) = begins.last().filter(|at| **at < bytes.len()) {
            let total = bytes[at + 4..].first_chunk().unwrap();
            begins.push(at + u32::from_ne_bytes(*total) as usize);
        }
        for len in 0..=bytes.len() {
            let last = *begins.iter().rfind(|at| **at <= len).unwrap();
            match all(&bytes[..len]) {
                Ok(_) => assert_eq!(len, last),
                Err(ReadError::Cut { at }) => assert_eq!((at, len > last), (last as u64, true)),
                other => panic!("{len} bytes: {other:?}"),
            }
        }
    }

    #[test]
    fn no_cut_and_no_flipped_byte_makes_it_panic() {
        let bytes = written();
        for len in 0..bytes.len() {
            let _ = all(&bytes[..len]);
            for byte in [0, 0x7f, 0xff] {
                let mut changed = bytes.clone();
                changed[len] = byte;
                let _ = all(&changed);
            }
        }
        assert!(matches!(all(b"GIF89a..."), Err(ReadError::NoPcapng(_))));
    }
}
