//! Makes the first inputs of the targets from recorded sessions, for `fuzz/seeds`.
//!
//! Arguments: the folder of the recordings, and the folder of the corpora. A recording has, for each message
//! of the client, a byte for its descriptors and the message.

use std::fs;
use std::path::Path;

/// Largest number of messages in one input.
const MOST: usize = 70;
/// Bytes of the memory that the session target lends.
const LENT: u64 = 4 << 20;

const VERSION: u16 = 1;
const DMA_MAP: u16 = 2;
const SET_IRQS: u16 = 8;
const REGION_READ: u16 = 9;
const REGION_WRITE: u16 = 10;
const RESET: u16 = 13;

#[derive(Clone)]
struct Message {
    fds: u8,
    bytes: Vec<u8>,
}

impl Message {
    fn u16(&self, at: usize) -> u16 {
        u16::from_ne_bytes(self.bytes[at..at + 2].try_into().expect("2 bytes"))
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.bytes[at..at + 4].try_into().expect("4 bytes"))
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.bytes[at..at + 8].try_into().expect("8 bytes"))
    }

    fn command(&self) -> u16 {
        self.u16(2)
    }

    /// Shortens a map to the length of the lent file.
    fn fitted(mut self) -> Self {
        if self.command() == DMA_MAP && self.fds > 0 && self.u64(40) > LENT {
            self.bytes[40..48].copy_from_slice(&LENT.to_ne_bytes());
        }
        self
    }
}

fn read(mut file: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    while let Some((fds, rest)) = file.split_first() {
        let size = u32::from_ne_bytes(rest[4..8].try_into().expect("a header")) as usize;
        let (bytes, rest) = rest.split_at(size);
        messages.push(
            Message {
                fds: *fds,
                bytes: bytes.to_vec(),
            }
            .fitted(),
        );
        file = rest;
    }
    messages
}

/// Splits messages into several sessions. Each has VERSION, every map and a part of the rest, so that it gets
/// past the set-up.
fn parts(messages: &[Message]) -> Vec<Vec<Message>> {
    let is_first = |message: &&Message| [VERSION, DMA_MAP].contains(&message.command());
    let first: Vec<_> = messages.iter().filter(is_first).cloned().collect();
    let rest: Vec<_> = messages
        .iter()
        .filter(|message| !is_first(message))
        .cloned()
        .collect();
    rest.chunks(MOST)
        .map(|part| [&first[..], part].concat())
        .collect()
}

fn frame(messages: &[Message]) -> Vec<u8> {
    messages
        .iter()
        .flat_map(|message| message.bytes.clone())
        .collect()
}

/// Builds an input for one client that sends VERSION itself and answers DMA_READ and DMA_WRITE. Messages are
/// unchanged.
fn session(messages: &[Message]) -> Vec<u8> {
    let mut tape = vec![2];
    for message in messages.iter().filter(|message| message.u32(8) & 1 == 0) {
        let kind = match (message.fds, message.command()) {
            (0, _) => 0,
            (_, SET_IRQS) => 3,
            _ => 1,
        };
        tape.extend([0, kind]);
        tape.extend((message.bytes.len() as u16).to_le_bytes());
        tape.extend(&message.bytes);
    }
    tape
}

/// Builds an input with two functions of default configuration, and the accesses of the first.
fn device(messages: &[Message]) -> Vec<u8> {
    let mut tape = vec![1, 0, 0, 0, 0, 0, 0];
    for message in messages {
        let command = message.command();
        if command == RESET {
            tape.extend([13, 0]);
        }
        if !(command == REGION_READ || command == REGION_WRITE) {
            continue;
        }
        let (offset, region, count) = (message.u64(16), message.u32(24), message.u32(28));
        let write = command == REGION_WRITE;
        let data = message.bytes.get(32..).unwrap_or_default();
        match region {
            7 if write => {
                tape.push(12);
                tape.extend((offset as u16).to_le_bytes());
                tape.push(data.len() as u8);
                tape.extend(data);
            }
            0..=5 => {
                tape.extend([0x80 | if write { 0 } else { 2 }, region as u8]);
                tape.extend(offset.to_le_bytes());
                tape.extend((count as u16).to_le_bytes());
                tape.extend(if write { data } else { &[] });
            }
            _ => {}
        }
    }
    tape
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [sessions, corpora] = &arguments[..] else {
        panic!("expected the folder of the recordings and the folder of the corpora");
    };
    for file in fs::read_dir(sessions).expect("recordings") {
        let file = file.expect("a recording");
        let name = file.file_name().into_string().expect("a plain name");
        let messages = read(&fs::read(file.path()).expect("a recording"));
        let keep = |target: &str, part: usize, bytes: Vec<u8>| {
            let path = Path::new(corpora)
                .join(target)
                .join(format!("{name}-{part}"));
            fs::write(path, bytes).expect("a place for the input");
        };
        for (at, part) in parts(&messages).iter().enumerate() {
            keep("frame", at, frame(part));
            keep("session", at, session(part));
        }
        // Commands build on each other, so this session is not split.
        keep("device", 0, device(&messages));
    }
}
