//! The zPCI instructions.
//!
//! Opcodes: Linux `arch/s390/pci/pci_insn.c` and QEMU `target/s390x/tcg/insn-data.h.inc`. Operands are named as there.

use super::format::{rre, rrf, rsy, rxy};
use super::register::Gr;

/// PCISTG: store the value of `data` as `pair` (request) and `pair + 1` (offset) tell.
#[must_use]
pub const fn pcistg(data: Gr, pair: Gr) -> [u8; 4] {
    rre(0xb9d0, data, pair)
}

/// PCILG: load into `result` as `pair` (request) and `pair + 1` (offset) tell.
#[must_use]
pub const fn pcilg(result: Gr, pair: Gr) -> [u8; 4] {
    rre(0xb9d2, result, pair)
}

/// RPCIT: refresh translations of the function in `request`; `pair` holds the start, `pair + 1` the length.
#[must_use]
pub const fn rpcit(request: Gr, pair: Gr) -> [u8; 4] {
    rre(0xb9d3, request, pair)
}

/// PCISTGI (MIO): store `data` at the I/O address in `pair`, length in `pair + 1`.
#[must_use]
pub const fn pcistgi(data: Gr, pair: Gr) -> [u8; 4] {
    rre(0xb9d4, data, pair)
}

/// PCIWB (MIO): write barrier.
#[must_use]
pub const fn pciwb() -> [u8; 4] {
    rre(0xb9d5, Gr::R0, Gr::R0)
}

/// PCILGI (MIO): load into `result` from the I/O address in `pair`, length in `pair + 1`.
#[must_use]
pub const fn pcilgi(result: Gr, pair: Gr) -> [u8; 4] {
    rre(0xb9d6, result, pair)
}

/// CLP with logical processor selector 2 (PCI): the request and response block is at the address in `block`.
#[must_use]
pub const fn clp(block: Gr) -> [u8; 4] {
    rrf(0xb9a0, 0, 2, Gr::R0, block)
}

/// PCISTB: store the block at `displacement(base)` to the offset in `offset`, as `request` tells.
#[must_use]
pub const fn pcistb(request: Gr, offset: Gr, displacement: i32, base: Gr) -> [u8; 6] {
    rsy(0xebd0, request, offset, displacement, base)
}

/// PCISTBI (MIO): store the block at `displacement(base)` to the I/O address in `address`, length in `length`.
#[must_use]
pub const fn pcistbi(length: Gr, address: Gr, displacement: i32, base: Gr) -> [u8; 6] {
    rsy(0xebd4, length, address, displacement, base)
}

/// MPCIFC: modify the function controls of the function in `request` by the block at `displacement(base)`.
#[must_use]
pub const fn mpcifc(request: Gr, displacement: i32, base: Gr) -> [u8; 6] {
    rxy(0xe3d0, request, displacement, Gr::R0, base)
}

/// STPCIFC: store the function controls of the function in `request` at `displacement(base)`.
#[must_use]
pub const fn stpcifc(request: Gr, displacement: i32, base: Gr) -> [u8; 6] {
    rxy(0xe3d4, request, displacement, Gr::R0, base)
}

/// SIC: set interruption controls; `mode` holds the operation, `subclass` the interruption subclass in bits 2-4 of its low
/// word, and the parameters are at `displacement(base)`.
#[must_use]
pub const fn sic(mode: Gr, subclass: Gr, displacement: i32, base: Gr) -> [u8; 6] {
    rsy(0xebd1, mode, subclass, displacement, base)
}

/// CHSC: channel subsystem call; the command block is at the address in `block`. Its store-event-information command tells
/// of PCI events.
#[must_use]
pub const fn chsc(block: Gr) -> [u8; 4] {
    rre(0xb25f, block, Gr::R0)
}
