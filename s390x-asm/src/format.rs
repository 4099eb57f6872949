//! Instruction formats as bytes, most significant byte first.
//!
//! `op` has the opcode bits in the order in which they appear in the instruction: for a split opcode
//! (`EB..D0`), the first byte is the high one. Source of the layouts: z/Architecture Principles of Operation,
//! chapter 5, "Instruction Formats".

use super::register::Gr;

const fn pair(high: Gr, low: Gr) -> u8 {
    (high.number() << 4) | low.number()
}

/// Encodes base register and 12-bit displacement as two bytes. Excess bits of the displacement are dropped.
const fn base_displacement(base: Gr, displacement: u16) -> [u8; 2] {
    [
        (base.number() << 4) | ((displacement >> 8) as u8 & 0x0f),
        displacement as u8,
    ]
}

/// Encodes base register and signed 20-bit displacement as three bytes: `B2DL DLDL DHDH`.
const fn base_long_displacement(base: Gr, displacement: i32) -> [u8; 3] {
    let bits = displacement as u32;
    [
        (base.number() << 4) | ((bits >> 8) as u8 & 0x0f),
        bits as u8,
        (bits >> 12) as u8,
    ]
}

/// Encodes the format RR: `op R1R2`.
pub const fn rr(op: u8, r1: Gr, r2: Gr) -> [u8; 2] {
    [op, pair(r1, r2)]
}

/// Encodes the format RRE: `op op 00 R1R2`.
pub const fn rre(op: u16, r1: Gr, r2: Gr) -> [u8; 4] {
    [(op >> 8) as u8, op as u8, 0, pair(r1, r2)]
}

/// Encodes the format RRF: `op op M3M4 R1R2`.
pub const fn rrf(op: u16, m3: u8, m4: u8, r1: Gr, r2: Gr) -> [u8; 4] {
    [
        (op >> 8) as u8,
        op as u8,
        (m3 << 4) | (m4 & 0x0f),
        pair(r1, r2),
    ]
}

/// Encodes the format RI: `op R1op I2I2`; `op` has 12 bits.
pub const fn ri(op: u16, r1: Gr, immediate: i16) -> [u8; 4] {
    let value = immediate.to_be_bytes();
    [
        (op >> 4) as u8,
        (r1.number() << 4) | (op as u8 & 0x0f),
        value[0],
        value[1],
    ]
}

/// Encodes the format RIL: `op R1op I2I2I2I2`; `op` has 12 bits.
pub const fn ril(op: u16, r1: Gr, immediate: u32) -> [u8; 6] {
    let value = immediate.to_be_bytes();
    [
        (op >> 4) as u8,
        (r1.number() << 4) | (op as u8 & 0x0f),
        value[0],
        value[1],
        value[2],
        value[3],
    ]
}

/// Encodes the format RX: `op R1X2 B2D2D2`.
pub const fn rx(op: u8, r1: Gr, displacement: u16, index: Gr, base: Gr) -> [u8; 4] {
    let address = base_displacement(base, displacement);
    [op, pair(r1, index), address[0], address[1]]
}

/// Encodes the format RXY: `op R1X2 B2DL DL DH op`.
pub const fn rxy(op: u16, r1: Gr, displacement: i32, index: Gr, base: Gr) -> [u8; 6] {
    let address = base_long_displacement(base, displacement);
    [
        (op >> 8) as u8,
        pair(r1, index),
        address[0],
        address[1],
        address[2],
        op as u8,
    ]
}

/// Encodes the format RS: `op R1R3 B2D2D2`.
pub const fn rs(op: u8, r1: Gr, r3: Gr, displacement: u16, base: Gr) -> [u8; 4] {
    let address = base_displacement(base, displacement);
    [op, pair(r1, r3), address[0], address[1]]
}

/// Encodes the format RSY: `op R1R3 B2DL DL DH op`.
pub const fn rsy(op: u16, r1: Gr, r3: Gr, displacement: i32, base: Gr) -> [u8; 6] {
    rxy(op, r1, displacement, r3, base)
}

/// Encodes the format S: `op op B2D2D2`.
pub const fn s(op: u16, displacement: u16, base: Gr) -> [u8; 4] {
    let address = base_displacement(base, displacement);
    [(op >> 8) as u8, op as u8, address[0], address[1]]
}

/// Encodes the format SI: `op I2 B1D1D1`.
pub const fn si(op: u8, immediate: u8, displacement: u16, base: Gr) -> [u8; 4] {
    let address = base_displacement(base, displacement);
    [op, immediate, address[0], address[1]]
}

/// Encodes the format SS with one length: `op LL B1D1D1 B2D2D2`; `length` is the number of bytes, 1 to 256.
pub const fn ss(op: u8, length: u16, first: (u16, Gr), second: (u16, Gr)) -> [u8; 6] {
    let one = base_displacement(first.1, first.0);
    let two = base_displacement(second.1, second.0);
    [
        op,
        length.wrapping_sub(1) as u8,
        one[0],
        one[1],
        two[0],
        two[1],
    ]
}
