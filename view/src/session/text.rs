//! Describes bytes and places as text.

use ism::DataAddress;

/// Most bytes of a run to show.
const SHOWN: usize = 64;
/// The BAR of the data space.
pub(super) const DATA_BAR: u8 = 0;

pub(super) fn bytes(bytes: &[u8]) -> String {
    let shown = const_hex::encode(&bytes[..bytes.len().min(SHOWN)]);
    match bytes.len() {
        0..=SHOWN => shown,
        len => format!("{shown}… ({len} bytes)"),
    }
}

/// Describes the memory at the address of an access.
pub(super) fn place(pcias: u8, offset: u64) -> String {
    if pcias == DATA_BAR {
        let address = DataAddress::decode(offset);
        let signal = if address.signal { ", signal" } else { "" };
        format!("token {:#x} + {:#x}{signal}", address.token, address.offset)
    } else {
        format!("BAR {pcias} + {offset:#x}")
    }
}
