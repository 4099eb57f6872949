//! The zPCI I/O region: each write of its request area is one PCISTB, PCISTG or PCILG.
//!
//! The layout is that of the kernel patch series zPCI I/O region (Dec 2020 RFC, Jan 2021 v1):
//!
//! | offset | field | access |
//! |---|---|---|
//! | 0 | header: flags u64 = 0, max u16, 6 reserved bytes | read |
//! | 16 | request: flags u64, gaddr u64, offset u64, reserved u32, len u16, pcias u8, reserved u8 | write |
//!
//! The flags are READ = 1 (PCILG), BLOCKW = 2 (PCISTB) and STORE = 4 (PCISTG).
//!
//! Fields are in host byte order, because client and server at a socket run on one machine. This project adds
//! three things to the series. After the original 48 bytes, a store may append its payload to the 32 bytes of
//! the request, in the same write. A load may leave its result, an 8-byte register image, at
//! [`RESULT_OFFSET`] to be read. The flag STORE means a PCISTG, for which the series has no request: its
//! payload of 1 to 8 bytes of one doubleword is always appended, in the order in which the instruction stores
//! them (the low bytes of the register, big-endian).
//!
//! Bad requests get the answers of the series, with these exceptions:
//!
//! | request | series | here | why |
//! |---|---|---|---|
//! | fewer than 32 bytes, or not at offset 16 | runs with stale fields | EINVAL | the caller cannot mean it |
//! | READ and BLOCKW (or STORE) | READ wins | EINVAL | two instructions, one answer |
//! | unknown flags beside a known one | ignored | EINVAL | a later meaning must not be lost |
//! | len 0 | left to the hardware | EINVAL | no such instruction |
//! | payload of other than len bytes, or with a load | did not exist | EINVAL | one of the lengths is wrong |
//! | STORE of more than 8 bytes, across a doubleword, without payload | did not exist | EINVAL | no such instruction |

mod carrier;
mod error;
mod layout;
mod parse;
mod wire;

pub use carrier::{Carrier, CarrierPolicy};
pub use error::RequestError;
pub use layout::{
    ABI_LEN, HEADER_LEN, REGION_INDEX, REGION_SUBTYPE, REGION_TYPE, REQUEST_LEN, REQUEST_OFFSET,
    RESULT_LEN, RESULT_OFFSET,
};
pub use parse::{Op, Request};
pub use wire::{read, read_header, region_size, register_image};

#[cfg(test)]
mod tests;
