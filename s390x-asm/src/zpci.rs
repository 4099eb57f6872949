//! The zPCI instructions.
//!
//! Opcodes: Linux `arch/s390/pci/pci_insn.c` and QEMU `target/s390x/tcg/insn-data.h.inc`. Operands have the
//! names used there.

use super::format::{rre, rrf, rsy, rxy};
use super::register::Gr;

/// PCISTG: stores `data`; `pair` holds the request, `pair + 1` the offset.
pub const fn pcistg(data: Gr, pair: Gr) -> [u8; 4] {
    rre(0xb9d0, data, pair)
}

/// PCILG: loads into `result`; `pair` holds the request, `pair + 1` the offset.
pub const fn pcilg(result: Gr, pair: Gr) -> [u8; 4] {
    rre(0xb9d2, result, pair)
}

/// RPCIT: refreshes translations of the function in `request`; `pair` holds the start, `pair + 1` the length.
pub const fn rpcit(request: Gr, pair: Gr) -> [u8; 4] {
    rre(0xb9d3, request, pair)
}

/// PCISTGI (MIO): stores `data` at the I/O address in `pair`; `pair + 1` holds the length.
pub const fn pcistgi(data: Gr, pair: Gr) -> [u8; 4] {
    rre(0xb9d4, data, pair)
}

/// PCIWB (MIO): waits for earlier writes.
pub const fn pciwb() -> [u8; 4] {
    rre(0xb9d5, Gr::R0, Gr::R0)
}

/// PCILGI (MIO): loads into `result` from the I/O address in `pair`; `pair + 1` holds the length.
pub const fn pcilgi(result: Gr, pair: Gr) -> [u8; 4] {
    rre(0xb9d6, result, pair)
}

/// CLP with logical processor selector 2 (PCI). The request and response block is at the address in `block`.
pub const fn clp(block: Gr) -> [u8; 4] {
    rrf(0xb9a0, 0, 2, Gr::R0, block)
}

/// PCISTB: stores the block at `displacement(base)`; `request` holds the request, `offset` the offset.
pub const fn pcistb(request: Gr, offset: Gr, displacement: i32, base: Gr) -> [u8; 6] {
    rsy(0xebd0, request, offset, displacement, base)
}

/// PCISTBI (MIO): stores the block at `displacement(base)` to the I/O address in `address`; `length` holds
/// the length.
pub const fn pcistbi(length: Gr, address: Gr, displacement: i32, base: Gr) -> [u8; 6] {
    rsy(0xebd4, length, address, displacement, base)
}

/// MPCIFC: modifies the function controls of the function in `request` by the block at `displacement(base)`.
pub const fn mpcifc(request: Gr, displacement: i32, base: Gr) -> [u8; 6] {
    rxy(0xe3d0, request, displacement, Gr::R0, base)
}

/// STPCIFC: stores the function controls of the function in `request` at `displacement(base)`.
pub const fn stpcifc(request: Gr, displacement: i32, base: Gr) -> [u8; 6] {
    rxy(0xe3d4, request, displacement, Gr::R0, base)
}

/// SIC: sets interruption controls; `mode` holds the operation, `subclass` the interruption subclass in bits
/// 2-4 of its low word, and the parameters are at `displacement(base)`.
pub const fn sic(mode: Gr, subclass: Gr, displacement: i32, base: Gr) -> [u8; 6] {
    rsy(0xebd1, mode, subclass, displacement, base)
}

/// CHSC: calls the channel subsystem; the command block is at the address in `block`. Its command "store
/// event information" reports PCI events.
pub const fn chsc(block: Gr) -> [u8; 4] {
    rre(0xb25f, block, Gr::R0)
}
