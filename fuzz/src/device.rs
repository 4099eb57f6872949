//! Fuzz target: any loads, stores, resets and memory changes of several functions on one fabric.

mod machine;
mod registered;
mod watch;

use zpci_region::Path;

use crate::tape::Tape;
use machine::{Machine, gid};

/// Largest number of actions in one run.
const MOST: usize = 300;
/// Addresses of every driver's page of bits, queue and first buffer. Buffers are 1 MiB apart.
const SBA: u64 = 0x10_0000;
const QUEUE: u64 = 0x10_1000;
const BUFFERS: u64 = 0x20_0000;

/// Carries out the actions of an input.
pub fn run(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let mut machine = Machine::new(&mut tape);
    for _ in 0..MOST {
        if tape.is_empty() {
            break;
        }
        act(&mut machine, &mut tape);
    }
    for f in 0..machine.functions {
        machine.settle(f);
        machine.reset(f);
    }
    assert!(machine.guests.registered.buffers.is_empty());
}

fn act(machine: &mut Machine, tape: &mut Tape<'_>) {
    let what = tape.u8();
    let f = usize::from(what >> 4 & 3) % machine.functions;
    let path = match what >> 6 {
        0 => Path::Region,
        1 => Path::BarMulti,
        _ => Path::Bar,
    };
    match what & 0xf {
        0 | 1 => {
            let (pcias, offset, len) = (tape.u8() % 6, tape.u64(), tape.u16() % 4200);
            let data = tape.bytes(usize::from(len));
            match what & 1 {
                0 => machine.store(f, path, pcias, offset, data),
                _ => machine.store_register(f, pcias, offset, data),
            }
        }
        2 => {
            let (pcias, offset, len) = (tape.u8() % 6, tape.u64(), tape.u16() % 4200);
            machine.load(f, path, pcias, offset, usize::from(len));
        }
        3 => probe(machine, f, path),
        4 => buffer(machine, tape, f, path),
        5 | 6 => {
            let (code, words) = (u32::from(tape.u8() % 0x14), tape.u8() % 6);
            let payload: Vec<u8> = (0..words)
                .flat_map(|_| word(machine, tape).to_be_bytes())
                .collect();
            command(machine, f, path, code, &payload);
        }
        7 => {
            if let Some(header) = machine.load(f, path, 2, 0, 8) {
                let len = u16::from_be_bytes([header[6], header[7]]);
                assert!([8, 16, 200].contains(&len), "{header:?}");
                machine.load(f, path, 2, 8, usize::from(len) - 8);
            }
        }
        8..=10 => {
            let (token, element, flags) = (token(machine, tape), tape.u8() % 18, tape.u8());
            let (at, len) = (u64::from(tape.u16()) << (flags >> 4), tape.u16() % 4100);
            let data = vec![flags; usize::from(len)];
            let signal = u64::from(flags & 1) << 23;
            machine.store(
                f,
                path,
                0,
                token | u64::from(element) << 24 | signal | at,
                &data,
            );
        }
        11 => {
            let (offset, len) = (tape.u8(), tape.u8() % 41);
            let data = tape.bytes(usize::from(len));
            machine.store(f, path, 2, u64::from(offset), data);
        }
        12 => {
            let (offset, len) = (tape.u16() % 300, tape.u8() % 20);
            let data = tape.bytes(usize::from(len));
            machine.configure(f, u64::from(offset), data);
        }
        13 => match tape.u8() % 4 {
            0 => machine.reset(f),
            1 => machine.detach(f),
            _ => machine.settle(f),
        },
        14 => hole(machine, tape, f),
        _ => pieces(machine, tape, f, path),
    }
}

/// Issues a command like a driver: payload, then header.
fn command(machine: &mut Machine, f: usize, path: Path, code: u32, payload: &[u8]) {
    if !payload.is_empty() {
        machine.store(f, path, 2, 8, payload);
    }
    let mut header = [0; 8];
    header[..4].copy_from_slice(&code.to_be_bytes());
    header[6..].copy_from_slice(&(8 + payload.len() as u16).to_be_bytes());
    machine.store(f, path, 2, 0, &header);
}

/// Does the first steps of a driver.
fn probe(machine: &mut Machine, f: usize, path: Path) {
    command(machine, f, path, 1, &SBA.to_be_bytes());
    machine.load(f, path, 2, 0, 8);
    command(
        machine,
        f,
        path,
        2,
        &[QUEUE.to_be_bytes(), 512_u64.to_be_bytes()].concat(),
    );
    machine.load(f, path, 2, 0, 8);
}

/// Issues a valid REG_DMB.
fn buffer(machine: &mut Machine, tape: &mut Tape<'_>, f: usize, path: Path) {
    let (index, user) = (u64::from(tape.u8()), usize::from(tape.u8()) % 5);
    let len = tape.pick(&[0x4000_u64, 0x1_0000, 1, 0x10_0000, 33]);
    let fields = [
        BUFFERS + (index << 20),
        len << 32 | (32 + index),
        7,
        gid(user),
    ];
    let payload: Vec<u8> = fields
        .iter()
        .flat_map(|field| field.to_be_bytes())
        .collect();
    command(machine, f, path, 0x0a, &payload);
}

/// Chooses a value that commands treat specially, or any value.
fn word(machine: &Machine, tape: &mut Tape<'_>) -> u64 {
    match tape.u8() % 10 {
        0 => SBA,
        1 => QUEUE,
        2 => BUFFERS + (u64::from(tape.u8()) << 20),
        3 => gid(usize::from(tape.u8() % 5)),
        4 => 512,
        5 => u64::from(tape.u16() % 0x2000),
        6 => token(machine, tape),
        7 => u64::from(tape.u32()) << 32 | u64::from(tape.u16()),
        8 => 1,
        _ => tape.u64(),
    }
}

/// Chooses a token that exists, or another number.
fn token(machine: &Machine, tape: &mut Tape<'_>) -> u64 {
    let at = usize::from(tape.u8());
    let buffers = &machine.guests.registered.buffers;
    match buffers.len() {
        known @ 1.. if at < 240 => *buffers.keys().nth(at % known).expect("one of them"),
        _ => (0xd000 + (at as u64 & 0xf)) << 32,
    }
}

/// Removes a range of memory, or restores all of it.
fn hole(machine: &mut Machine, tape: &mut Tape<'_>, f: usize) {
    let start = match tape.u8() % 8 {
        0 => SBA,
        1 => QUEUE,
        2..=5 => BUFFERS + (u64::from(tape.u8()) << 20) + (u64::from(tape.u8()) << 12),
        _ => return machine.guests.holes.clear(),
    };
    machine.guests.holes.push((f, start..start + 4096));
}

/// Stores a block in pieces, upwards or downwards, in order or reversed, as clients split blocks.
fn pieces(machine: &mut Machine, tape: &mut Tape<'_>, f: usize, path: Path) {
    let (flags, len) = (tape.u8(), usize::from(tape.u8()));
    let offset = match flags & 1 {
        0 => token(machine, tape) | u64::from(tape.u16()) | u64::from(flags & 2) << 22,
        _ => u64::from(tape.u8()),
    };
    let width = [8, 4, 2, 1][usize::from(flags >> 2 & 3)];
    let mut block: Vec<(usize, Vec<u8>)> = tape
        .bytes(len)
        .chunks(width)
        .enumerate()
        .map(|(n, piece)| (n * width, piece.to_vec()))
        .collect();
    if flags & 0x10 != 0 {
        block.reverse();
    }
    for (at, mut piece) in block {
        if flags & 0x20 != 0 {
            piece.reverse();
        }
        machine.store(f, path, (flags & 1) << 1, offset + at as u64, &piece);
    }
}
