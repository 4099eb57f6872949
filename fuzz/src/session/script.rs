//! Reads the actions of clients from the tape.

use super::lent::Kind;
use super::message::{
    DMA_MAP, DMA_UNMAP, GET_INFO, NO_REPLY, REGION_READ, REGION_WRITE, RESET, SET_IRQS,
    WRITE_MULTI, access, longs, message, words, write,
};
use crate::tape::Tape;

/// A client's answers to DMA_READ and DMA_WRITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    Wide,
    Narrow,
    Mixed,
    Never,
}

/// The settings in the first byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    /// True for two clients instead of one.
    pub two: bool,
    /// True for another client on the first function's instruction channel.
    pub channel: bool,
    /// True if VERSION is sent automatically, and the tape begins after it.
    pub greet: bool,
    pub answers: Answers,
}

impl Habits {
    pub(super) fn read(tape: &mut Tape<'_>) -> Self {
        let byte = tape.u8();
        let answers = [
            Answers::Wide,
            Answers::Narrow,
            Answers::Mixed,
            Answers::Never,
        ];
        Self {
            two: byte & 1 != 0,
            channel: byte & 16 != 0,
            greet: byte & 2 == 0,
            answers: answers[usize::from(byte >> 2 & 3)],
        }
    }
}

/// One action of a client.
#[derive(Debug)]
pub(super) enum Step {
    /// Sends bytes with descriptors.
    Send { bytes: Vec<u8>, lend: Vec<Kind> },
    /// Waits for every reply.
    Wait,
    /// Disconnects, and connects another client.
    Leave,
}

/// Reads the next action and its client. Bits of the first byte: 0-3 the action, 4 and 6 the client, 5 no
/// reply wanted.
pub(super) fn step(tape: &mut Tape<'_>, clients: usize) -> (usize, Step) {
    let what = tape.u8();
    let who = usize::from(what >> 4 & 1 | what >> 5 & 2) % clients;
    let flags = if what & 0x20 != 0 { NO_REPLY } else { 0 };
    let mut lend = Vec::new();
    let bytes = match what & 0xf {
        0 => {
            lend = kinds(tape);
            let len = usize::from(tape.u16());
            tape.bytes(len).to_vec()
        }
        1 => {
            lend = kinds(tape);
            let (command, len) = (u16::from(tape.u8()) % 20, usize::from(tape.u8()));
            request(tape, command, flags, |tape| tape.bytes(len).to_vec())
        }
        2 => {
            lend = kinds(tape);
            request(tape, DMA_MAP, flags, map)
        }
        3 => request(tape, DMA_UNMAP, flags, |tape| {
            let (at, pages) = (u64::from(tape.u8()), u64::from(tape.u8()));
            match pages {
                0 => [words(&[24, 2]), longs(&[0, 0])].concat(),
                _ => [words(&[24, 0]), longs(&[at << 12, pages << 12])].concat(),
            }
        }),
        4 => {
            let command = GET_INFO + u16::from(tape.u8() % 4);
            request(tape, command, flags, |tape| {
                let (room, index) = (u32::from(tape.u8()), u32::from(tape.u8() % 12));
                let more = if command == 5 { 32 } else { 16 };
                let mut body = words(&[room, 0, index, 0, 0, 0, 0, 0]);
                body.truncate(more);
                body
            })
        }
        5 => {
            lend = kinds(tape);
            request(tape, SET_IRQS, flags, irqs)
        }
        6 => request(tape, REGION_READ, flags, |tape| {
            let (region, offset, count) = place(tape);
            access(region, offset, count.into())
        }),
        7 => request(tape, REGION_WRITE, flags, |tape| {
            let (region, offset, count) = place(tape);
            write(region, offset, tape.bytes(count.into()))
        }),
        8 => request(tape, WRITE_MULTI, flags, multi),
        9 => request(tape, RESET, flags, |_| Vec::new()),
        10 => command(tape, flags),
        11 => request(tape, REGION_WRITE, flags, |tape| {
            let (token, at) = (u64::from(tape.u8() % 6), u64::from(tape.u16()));
            let (element, signal, len) = (tape.u8() % 17, tape.u8() & 1, tape.u16() % 4097);
            let offset = token << 32 | u64::from(element) << 24 | u64::from(signal) << 23 | at;
            write(0, offset, &vec![element; usize::from(len)])
        }),
        12 => request(tape, REGION_WRITE, flags, zpci),
        13 => probe(tape),
        14 => return (who, Step::Wait),
        _ if tape.u8().is_multiple_of(4) => return (who, Step::Leave),
        _ => return (who, Step::Wait),
    };
    (who, Step::Send { bytes, lend })
}

fn request(
    tape: &mut Tape<'_>,
    command: u16,
    flags: u32,
    body: impl FnOnce(&mut Tape<'_>) -> Vec<u8>,
) -> Vec<u8> {
    let body = body(tape);
    message(body.len() as u16 ^ command << 8, command, flags, &body)
}

/// Reads at most three descriptors; 0 means none.
fn kinds(tape: &mut Tape<'_>) -> Vec<Kind> {
    let byte = tape.u8();
    match byte {
        0 => Vec::new(),
        byte => {
            let count = 1 + usize::from(byte >> 6).min(2);
            let first = usize::from(byte & 0x3f) - usize::from(byte & 0x3f != 0);
            (0..count)
                .map(|n| Kind::ALL[(first + n) % Kind::ALL.len()])
                .collect()
        }
    }
}

/// Reads a DMA_MAP of pages in the first MiB.
fn map(tape: &mut Tape<'_>) -> Vec<u8> {
    let (at, pages, offset) = (tape.u8(), tape.u8(), tape.u8());
    let [at, pages, offset] = [at, pages, offset].map(|pages| u64::from(pages) << 12);
    let flags = [3, 1, 2, 3][usize::from(tape.u8() % 4)];
    [words(&[32, flags]), longs(&[offset, at, pages])].concat()
}

fn irqs(tape: &mut Tape<'_>) -> Vec<u8> {
    let (flags, index) = (u32::from(tape.u8() % 64), u32::from(tape.u8() % 6));
    let (start, count) = (u32::from(tape.u8() % 3), u32::from(tape.u8() % 4));
    let data: &[u8] = if flags & 2 != 0 {
        tape.bytes(count as usize)
    } else {
        &[]
    };
    let room = 20 + data.len() as u32;
    [&words(&[room, flags, index, start, count])[..], data].concat()
}

/// Reads a region, an offset in it and a length.
fn place(tape: &mut Tape<'_>) -> (u32, u64, u16) {
    let region = u32::from(tape.u8() % 11);
    let offset = match tape.u8() {
        255 => tape.u64(),
        254 => u64::from(tape.u16()) << 32 | u64::from(tape.u16()),
        near => near.into(),
    };
    (region, offset, tape.u16() % 4200)
}

fn multi(tape: &mut Tape<'_>) -> Vec<u8> {
    let count = tape.u8() % 9;
    let mut body = longs(&[count.into()]);
    for _ in 0..count {
        let (region, offset, len) = place(tape);
        let len = len % 10;
        body.extend(access(region, offset, len.into()));
        let mut data = [0; 8];
        for (slot, byte) in data.iter_mut().zip(tape.bytes(len.min(8).into())) {
            *slot = *byte;
        }
        body.extend(data);
    }
    body
}

/// Reads a command like a driver's, in one send: payload, header, load of the response.
fn command(tape: &mut Tape<'_>, flags: u32) -> Vec<u8> {
    let (code, count) = (u32::from(tape.u8() % 0x14), tape.u8() % 5);
    let payload: Vec<u8> = (0..count).flat_map(|_| word(tape).to_be_bytes()).collect();
    issue(code, &payload, flags)
}

fn issue(code: u32, payload: &[u8], flags: u32) -> Vec<u8> {
    let length = 8 + payload.len() as u64;
    let header = (u64::from(code) << 32 | length).to_be_bytes();
    let mut bytes = Vec::new();
    if !payload.is_empty() {
        bytes = message(1, REGION_WRITE, flags, &write(2, 8, payload));
    }
    bytes.extend(message(2, REGION_WRITE, flags, &write(2, 0, &header)));
    bytes.extend(message(3, REGION_READ, 0, &access(2, 0, 8)));
    bytes
}

fn word(tape: &mut Tape<'_>) -> u64 {
    match tape.u8() % 6 {
        0 => u64::from(tape.u8()) << 12,
        1 => 0x1500_0000_0000_0001 + u64::from(tape.u8() % 3),
        2 => u64::from(tape.u8() % 6) << 32,
        3 => u64::from(tape.u16()) << 32 | u64::from(tape.u16()),
        4 => 512,
        _ => tape.u64(),
    }
}

/// Sets up SBA, event queue, and a buffer of 16 KiB that a function of the pair may write.
fn probe(tape: &mut Tape<'_>) -> Vec<u8> {
    let (page, user) = (u64::from(tape.u8()) << 12, u64::from(tape.u8() % 2));
    let fields = [
        page + 0x2000,
        0x4000 << 32 | 40,
        0,
        0x1500_0000_0000_0001 + user,
    ];
    let buffer: Vec<u8> = fields
        .iter()
        .flat_map(|field| field.to_be_bytes())
        .collect();
    let queue = [(page + 0x1000).to_be_bytes(), 512_u64.to_be_bytes()].concat();
    let sba = page.to_be_bytes();
    [(1, &sba[..]), (2, &queue), (0x0a, &buffer)]
        .iter()
        .flat_map(|(code, payload)| issue(*code, payload, NO_REPLY))
        .collect()
}

/// Reads a request of the zPCI I/O region.
fn zpci(tape: &mut Tape<'_>) -> Vec<u8> {
    let (flags, pcias) = (u64::from(tape.u8() % 8), tape.u8() % 4);
    let (address, offset) = (u64::from(tape.u8()) << 12, word(tape));
    let (len, appended) = (tape.u16() % 4200, tape.u8() & 1 != 0);
    let mut body = longs(&[flags, address, offset]);
    body.extend([0; 4]);
    body.extend(len.to_ne_bytes());
    body.extend([pcias, 0]);
    if appended {
        body.extend(tape.bytes(len.into()));
    }
    write(9, 16, &body)
}
